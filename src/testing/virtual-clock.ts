import { type CancelTimer, type Clock, systemClock } from "../base/clock.ts";

/** More turns than this at one moment mean that something goes round in circles. */
const TURNS_MAX = 100_000;

interface Timer {
  readonly at: number;
  readonly action: () => void;
}

/**
 * A clock that stands still until a test moves it.
 *
 * Timers fire only within {@link VirtualClock.advance}. `nextTurn` is the real next turn of the
 * event loop: turns are an order and not a time, and a store on a virtual clock must go on without
 * help.
 */
export class VirtualClock implements Clock {
  readonly #startedAt: number;
  readonly #timers = new Set<Timer>();
  #elapsedMs = 0;
  #turnsPending = 0;
  #advancing = false;

  /** `now` is the wall time to start from, in milliseconds since the epoch. */
  constructor(now: number = Date.UTC(2030, 0, 1)) {
    this.#startedAt = now;
  }

  /** Whole milliseconds, as real clocks tell it. */
  now(): number {
    return Math.floor(this.#startedAt + this.#elapsedMs);
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const onAbort = () => {
        cancel();
        reject(signal?.reason);
      };
      const cancel = this.after(ms, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  after(ms: number, action: () => void): CancelTimer {
    const timer = { at: this.#elapsedMs + Math.max(0, ms), action };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  nextTurn(action: () => void): void {
    this.#turnsPending += 1;
    systemClock.nextTurn(() => {
      this.#turnsPending -= 1;
      action();
    });
  }

  /** Milliseconds until the next timer fires; `undefined` when none is armed. */
  untilNextTimer(): number | undefined {
    const timer = this.#nextTimer();
    return timer === undefined ? undefined : timer.at - this.#elapsedMs;
  }

  /**
   * Moves time forward. Fires the timers that become due, also those armed on the way, in the order
   * of their times (equal times: as they were armed), and lets everything that a timer set going
   * come to rest before the next one. Does not wait for real I/O. One call at a time.
   */
  async advance(ms: number): Promise<void> {
    if (this.#advancing) throw new Error("The virtual clock is being advanced already.");
    this.#advancing = true;
    try {
      await this.#advanceTo(this.#elapsedMs + ms);
    } finally {
      this.#advancing = false;
    }
  }

  /** Lets everything that can go on without time come to rest. */
  async settle(): Promise<void> {
    let quiet = false;
    for (let turn = 0; !quiet; turn++) {
      if (turn > TURNS_MAX) throw new Error(`The program did not come to rest at ${this.now()}.`);
      await new Promise<void>((resolve) => systemClock.nextTurn(resolve));
      quiet = this.#turnsPending === 0;
    }
  }

  async #advanceTo(end: number): Promise<void> {
    await this.settle();
    for (let timer = this.#nextTimer(); timer && timer.at <= end; timer = this.#nextTimer()) {
      this.#elapsedMs = Math.max(this.#elapsedMs, timer.at);
      this.#timers.delete(timer);
      timer.action();
      await this.settle();
    }
    this.#elapsedMs = end;
  }

  /** A set keeps the order of arming, so the first of the earliest is the one to fire. */
  #nextTimer(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) if (next === undefined || timer.at < next.at) next = timer;
    return next;
  }
}

/** Creates a {@link VirtualClock} that stands at `now`, or else at the start of 2030. */
export function createVirtualClock(now?: number): VirtualClock {
  return new VirtualClock(now);
}

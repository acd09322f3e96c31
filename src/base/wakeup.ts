import { createDeferred, type Deferred } from "./deferred.ts";

/**
 * A bell between producers and one sleeping loop: a ring while nobody waits is remembered, many
 * rings wake once.
 */
export class Wakeup {
  #rung = false;
  #waiting: Deferred<void> | undefined;

  /** Wakes the loop, now or at its next wait. */
  ring(): void {
    if (this.#waiting) {
      this.#waiting.resolve();
      this.#waiting = undefined;
    } else {
      this.#rung = true;
    }
  }

  /** Resolves at the next ring, at once when one is remembered, or when `signal` aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    if (this.#rung || signal.aborted) {
      this.#rung = false;
      return;
    }
    const waiting = createDeferred<void>();
    this.#waiting = waiting;
    const onAbort = () => waiting.resolve();
    signal.addEventListener("abort", onAbort, { once: true });
    await waiting.promise;
    signal.removeEventListener("abort", onAbort);
    if (this.#waiting === waiting) this.#waiting = undefined;
  }
}

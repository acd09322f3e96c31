import { setTimeout as wait } from "node:timers/promises";

/** Cancels a timer; safe to call after it fired and more than once. */
export type CancelTimer = () => void;

/**
 * Time, as everything above `base/` sees it. Injected, so that tests and the simulator own it.
 *
 * Wall time (`now`) is for what people read and for due times; intervals and deadlines are measured
 * with `monotonic`, which no clock adjustment moves.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch. May jump. */
  now(): number;
  /**
   * Milliseconds since an arbitrary start, shared by all processes of one boot. Never goes back.
   */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `action` once after `ms`. An armed timer does not keep the process alive. */
  after(ms: number, action: () => void): CancelTimer;
  /** Calls `action` in the next turn of the event loop, after I/O that is ready now. */
  nextTurn(action: () => void): void;
}

/** The real clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => Number(process.hrtime.bigint()) / 1e6,
  sleep: async (ms, signal) => {
    try {
      await wait(ms, undefined, signal ? { signal } : undefined);
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    }
  },
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
  nextTurn: (action) => {
    setImmediate(action);
  },
};

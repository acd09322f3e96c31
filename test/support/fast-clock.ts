import { type Clock, systemClock } from "../../src/base/clock.ts";

/** A clock on which minutes pass in seconds, for loops that work on a real store. */
export function createFastClock(factor: number): Clock {
  const wall = systemClock.now();
  const start = systemClock.monotonic();
  const elapsed = () => (systemClock.monotonic() - start) * factor;
  return {
    ...systemClock,
    now: () => Math.floor(wall + elapsed()),
    monotonic: () => start + elapsed(),
    sleep: (ms, signal) => systemClock.sleep(ms / factor, signal),
    after: (ms, action) => systemClock.after(ms / factor, action),
  };
}

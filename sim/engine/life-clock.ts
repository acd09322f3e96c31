import type { Clock } from "../../src/base/clock.ts";
import type { Life, Scheduler } from "./scheduler.ts";

/** The true wall time at the beginning of every world; a minute ends soon after. */
export const EPOCH_MS: number = Date.UTC(2030, 0, 1, 0, 0, 48);

/** Timers fire up to so much late, as real ones do. */
const LATE_MS_MAX = 1;

/** Time as one life sees it: the wall clock may be wrong, what was begun ends with the life. */
export function lifeClock(scheduler: Scheduler, life: Life, chance: { next(): number }): Clock {
  const after = (ms: number, action: () => void) =>
    scheduler.after(Math.max(0, ms) + chance.next() * LATE_MS_MAX, action, { life });
  return {
    now: () => Math.floor(EPOCH_MS + scheduler.now + life.skewMs),
    monotonic: () => scheduler.now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) return reject(signal.reason);
        const onAbort = () => {
          cancel();
          reject(signal?.reason);
        };
        const cancel = after(ms, () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        });
        signal?.addEventListener("abort", onAbort, { once: true });
      }),
    after,
    nextTurn: (action) => {
      scheduler.after(0, action, { life });
    },
  };
}

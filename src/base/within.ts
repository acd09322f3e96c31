import type { Clock } from "./clock.ts";
import { createDeferred } from "./deferred.ts";

/** What else may end a wait. */
export interface Bounds {
  /** The wait is over after so long. Needs `clock`. */
  readonly ms?: number;
  readonly clock?: Clock;
  /** The wait is over when one of them aborts. */
  readonly signals?: readonly AbortSignal[];
}

/**
 * Resolves to what `act` resolves to, or to `undefined` when the bounds end the wait first. Rejects
 * when `act` does. Leaves nothing behind, neither a timer nor a listener.
 */
export async function within<T>(
  act: Promise<T>,
  { ms, clock, signals = [] }: Bounds,
): Promise<T | undefined> {
  const over = createDeferred<undefined>();
  const end = () => over.resolve(undefined);
  const settled = new AbortController();
  // A sleep keeps the process alive, as whoever awaits this expects.
  if (ms !== undefined) clock?.sleep(ms, settled.signal).then(end, () => {});
  for (const signal of signals) {
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  }
  try {
    return await Promise.race([act, over.promise]);
  } finally {
    settled.abort();
    for (const signal of signals) signal.removeEventListener("abort", end);
  }
}

/** Resolves when the wait is over by its bounds alone. */
export async function untilOver(bounds: Bounds): Promise<void> {
  await within(new Promise<never>(() => {}), bounds);
}

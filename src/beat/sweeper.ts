/**
 * Removes ended tasks whose retention is over.
 *
 * The entries under `expire/` are ordered by minute; a sweep covers the minutes that have passed
 * since the one before. Each task goes in one delete-only part, guarded by its expire entry as it
 * was read, so any number of sweepers may run, and a task that goes on as a new generation is not
 * touched. Delete-only commits also work when etcd is out of space.
 *
 * An entry can appear in a minute that was swept already: a worker's clock is behind, a task is
 * kept for no time at all and its worker died before it removed it. So every {@link FULL_MS} a
 * sweep begins at the first entry there is; the ones between need not step over what was deleted
 * and is still in the store's history.
 *
 * When the store is away the loop ends and is started again, with a full sweep. When the process
 * dies, another leader's first sweep finds what is left.
 */
import { type LoopWorld, pause } from "../base/loop.ts";
import type { Store } from "../store/store.ts";
import { minuteOf, scanExpire } from "./expire-scan.ts";
import { sweepEntries } from "./sweep.ts";

const SWEEP_MS = 15_000;
const FULL_MS = 300_000;

/** Sweeps until `signal` aborts; throws what the store throws. */
export async function runSweeper(
  store: Store,
  world: LoopWorld,
  signal: AbortSignal,
): Promise<void> {
  let from: number | undefined;
  for (let fullAt = world.clock.monotonic(); !signal.aborted; ) {
    const until = minuteOf(world.clock.now());
    if (from === undefined) fullAt = world.clock.monotonic();
    for await (const entries of scanExpire(store, from, until)) {
      if (signal.aborted) return;
      await sweepEntries(store, world, entries, signal);
    }
    from = world.clock.monotonic() - fullAt < FULL_MS ? until : undefined;
    await pause(world, SWEEP_MS * (1 + world.random.next()), signal);
  }
}

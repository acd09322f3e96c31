/**
 * Removes finished tasks whose retention is over.
 *
 * The entries under `expire/` are ordered by minute; a sweep names only the minutes that have passed.
 * Each task goes in one delete-only part, guarded by its expire entry, which a removal takes with it:
 * so a task that was removed and made anew under the same id is never swept by the old entry. Any
 * number of sweepers may run. Delete-only commits also work when etcd is out of space.
 */
import { type LoopWorld, pause } from "../base/loop.ts";
import { del, keyPresent, type Part } from "../store/part.ts";
import type { Store } from "../store/store.ts";
import { expireRange, idOfExpireKey, taskKey } from "../task/keyspace.ts";

const SWEEP_MS = 15_000;
const BATCH_MAX = 30;

/** Sweeps until `signal` aborts; throws what the store throws. */
export async function runSweeper(
  store: Store,
  world: LoopWorld,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const range = expireRange(world.clock.now());
    const { entries, more } = await store.range(range, { limit: BATCH_MAX });
    if (entries.length > 0) await store.commit(entries.map(({ key }) => sweepPart(key)));
    if (!more) await pause(world, SWEEP_MS * (1 + world.random.next()), signal);
  }
}

function sweepPart(expireKey: string): Part {
  const id = idOfExpireKey(expireKey);
  const keys =
    id === undefined ? [] : [taskKey(id, "spec"), taskKey(id, "state"), taskKey(id, "progress")];
  return { guards: [keyPresent(expireKey)], writes: [expireKey, ...keys].map(del) };
}

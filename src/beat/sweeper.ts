/**
 * Removes finished tasks whose retention is over.
 *
 * The entries under `expire/` are ordered by minute; a sweep names only the minutes that have
 * passed. Each task goes in one delete-only part, guarded by its expire entry, which a removal
 * takes with it: so a task that was removed and made anew under the same id is never swept by the
 * old entry. Any number of sweepers may run; keys that are not ours are passed over. Delete-only
 * commits also work when etcd is out of space.
 */
import { type LoopWorld, pause } from "../base/loop.ts";
import { del, keyPresent, type Part } from "../store/part.ts";
import { afterKey } from "../store/range.ts";
import type { Store } from "../store/store.ts";
import { expireRange, idOfExpireKey, taskKey } from "../task/keyspace.ts";
import { isId } from "../task/names.ts";

const SWEEP_MS = 15_000;
const BATCH_MAX = 30;

/** Sweeps until `signal` aborts; throws what the store throws. */
export async function runSweeper(
  store: Store,
  world: LoopWorld,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await sweepOver(store, world.clock.now(), signal);
    await pause(world, SWEEP_MS * (1 + world.random.next()), signal);
  }
}

async function sweepOver(store: Store, now: number, signal: AbortSignal): Promise<void> {
  const { end } = expireRange(now);
  let { start } = expireRange(now);
  for (let more = true; more && !signal.aborted; ) {
    const page = await store.range({ start, end }, { limit: BATCH_MAX });
    const parts = page.entries.flatMap(({ key }) => sweepPart(key) ?? []);
    if (parts.length > 0) await store.commit(parts);
    const last = page.entries.at(-1);
    more = page.more && last !== undefined;
    if (last) start = afterKey(last.key);
  }
}

function sweepPart(expireKey: string): Part | undefined {
  const id = idOfExpireKey(expireKey);
  if (!isId(id)) return undefined;
  const keys = [taskKey(id, "spec"), taskKey(id, "state"), taskKey(id, "progress")];
  return { guards: [keyPresent(expireKey)], writes: [expireKey, ...keys].map(del) };
}

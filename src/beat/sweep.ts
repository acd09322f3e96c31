import { type LoopWorld, pause } from "../base/loop.ts";
import { sweepPart } from "../broker/sweep.ts";
import type { Part } from "../store/part.ts";
import type { Entry, Store } from "../store/store.ts";
import { idOfExpireKey } from "../task/keyspace.ts";

/**
 * Most deletions of one commit. Other writes wait for it: on etcd about 5 ms on a machine with two
 * cores, far below the 50 ms that they are promised.
 */
export const SWEEP_WRITES_MAX = 256;

const PAUSE_MS_MIN = 5;

/**
 * Removes the tasks of these expire entries in chunks, one after the other. After each there is a
 * pause at least as long as the commit took, so sweeping never takes more than half of the store's
 * time. Returns the entries that were there to be removed; throws what the store throws.
 */
export async function sweepEntries(
  store: Store,
  world: LoopWorld,
  entries: readonly Entry[],
  signal: AbortSignal,
): Promise<readonly Entry[]> {
  const swept: Entry[] = [];
  for (const chunk of chunksOf(entries)) {
    if (signal.aborted) break;
    const startedAt = world.clock.monotonic();
    const results = await store.commit(chunk.map(({ part }) => part));
    for (const [index, { entry }] of chunk.entries()) {
      if (results[index]?.applied) swept.push(entry);
    }
    const tookMs = world.clock.monotonic() - startedAt;
    await pause(world, Math.max(PAUSE_MS_MIN, tookMs), signal);
  }
  return swept;
}

type Chunk = { readonly entry: Entry; readonly part: Part }[];

function* chunksOf(entries: readonly Entry[]): Generator<Chunk, void> {
  let chunk: Chunk = [];
  let writes = 0;
  let ids = new Set<string | undefined>();
  for (const entry of entries) {
    const part = sweepPart(entry.key, entry.value, entry.modRevision);
    if (!part) continue;
    const id = idOfExpireKey(entry.key);
    // Two entries of one task name the same keys, which a commit must not.
    if (writes + part.writes.length > SWEEP_WRITES_MAX || ids.has(id)) {
      yield chunk;
      chunk = [];
      writes = 0;
      ids = new Set();
    }
    ids.add(id);
    chunk.push({ entry, part });
    writes += part.writes.length;
  }
  if (chunk.length > 0) yield chunk;
}

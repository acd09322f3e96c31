import { type LoopWorld, pause } from "../base/loop.ts";
import { sweepPart } from "../broker/sweep.ts";
import { COMMIT_PARTS_MAX } from "../store/limits.ts";
import type { Part } from "../store/part.ts";
import type { Entry, Store } from "../store/store.ts";
import { idOfExpireKey } from "../task/keyspace.ts";

/**
 * Most deletions of one commit: about as many writes as other large commits have. Who writes
 * meanwhile waits no longer than behind one of those, far below the 50 ms that are promised.
 */
export const SWEEP_WRITES_MAX = 400;

/** Between two chunks, so that what waits for the store gets its turn. */
const PAUSE_MS = 5;

/**
 * Removes the tasks of these expire entries in chunks, one after the other: never more than one is
 * under way, so a busy store gives sweeping a small share of its time. Returns the entries that
 * were there to be removed; throws what the store throws.
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
    const results = await store.commit(chunk.map(({ part }) => part));
    for (const [index, { entry }] of chunk.entries()) {
      if (results[index]?.applied) swept.push(entry);
    }
    await pause(world, PAUSE_MS, signal);
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
    const full = writes + part.writes.length > SWEEP_WRITES_MAX || ids.size === COMMIT_PARTS_MAX;
    if (full || ids.has(id)) {
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

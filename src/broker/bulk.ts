/**
 * Enqueues many tasks in chunks that each fill a commit, a few chunks under way at once.
 *
 * Every task has its id and place in the queue before the first chunk is sent, so the order of
 * commits does not matter and any chunk may be sent again: a task that exists already with the very
 * bytes that were to be written is the one that was meant. When a chunk fails no new one is
 * started, those under way are waited for, and the error says of each task what is known. Its
 * `resume()` sends the missing ones under the same ids. If the process dies, what landed has
 * landed.
 */

import { COMMIT_BYTES_MAX, COMMIT_PARTS_MAX, partBytes } from "../store/limits.ts";
import type { Part } from "../store/part.ts";
import type { PartResult, Store } from "../store/store.ts";
import { StoreError } from "../store/store-errors.ts";

const CHUNKS_IN_FLIGHT = 4;

/** What is known of each part afterwards: its result, or why there is none. */
export type BulkOutcome =
  | { readonly kind: "done"; readonly result: PartResult }
  | { readonly kind: "missing"; readonly applied: "no" | "unknown" };

/** The outcomes in order of the parts, and the first error met, if any. */
export interface BulkReport {
  readonly outcomes: readonly BulkOutcome[];
  readonly error: unknown;
}

/** Commits any number of independent parts. Never rejects because of the store. */
export async function commitBulk(store: Store, parts: readonly Part[]): Promise<BulkReport> {
  const outcomes: BulkOutcome[] = parts.map(() => ({ kind: "missing", applied: "no" }));
  const chunks = chunksOf(parts);
  let failure: { error: unknown } | undefined;
  const lane = async () => {
    for (let chunk = chunks.next(); !failure && !chunk.done; chunk = chunks.next()) {
      const { from, to } = chunk.value;
      try {
        const results = await store.commit(parts.slice(from, to));
        for (const [index, result] of results.entries()) {
          outcomes[from + index] = { kind: "done", result };
        }
      } catch (error) {
        failure ??= { error };
        const applied = error instanceof StoreError ? error.applied : "unknown";
        outcomes.fill({ kind: "missing", applied }, from, to);
      }
    }
  };
  await Promise.all(Array.from({ length: CHUNKS_IN_FLIGHT }, lane));
  return { outcomes, error: failure?.error };
}

/** Cuts the list into runs that each fit one commit. */
function* chunksOf(parts: readonly Part[]): Generator<{ from: number; to: number }, void> {
  let from = 0;
  let bytes = 0;
  for (const [index, part] of parts.entries()) {
    const size = partBytes(part);
    if (index > from && (index - from >= COMMIT_PARTS_MAX || bytes + size > COMMIT_BYTES_MAX)) {
      yield { from, to: index };
      from = index;
      bytes = 0;
    }
    bytes += size;
  }
  if (from < parts.length) yield { from, to: parts.length };
}

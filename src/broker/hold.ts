import { backoffMs } from "../base/backoff.ts";
import { type LoopWorld, pause } from "../base/loop.ts";
import type { Part } from "../store/part.ts";
import type { PartResult, Revision, Store } from "../store/store.ts";
import { isUnavailable } from "../store/store-errors.ts";

/**
 * Commits until the store gives a definite answer, however long it is away. The same `Part` objects are
 * handed in again each time, so a lost answer is resolved by their witnesses.
 *
 * @throws the store's error when `signal` aborts while the store is away, and every error that is not
 *   about availability.
 */
export async function commitUntilKnown(
  store: Store,
  parts: readonly Part[],
  world: LoopWorld,
  signal: AbortSignal,
): Promise<PartResult[]> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await store.commit(parts);
    } catch (error) {
      if (!isUnavailable(error) || signal.aborted) throw error;
    }
    await pause(world, backoffMs(tries, 100, 2_000, world.random), signal);
  }
}

/**
 * Commits a write of an attempt until the store gives a definite answer. Returns the revision, or
 * `undefined` when the attempt no longer holds its task and the store refused the write.
 */
export async function commitHeld(
  store: Store,
  part: Part,
  world: LoopWorld,
  signal: AbortSignal,
): Promise<Revision | undefined> {
  const [result] = await commitUntilKnown(store, [part], world, signal);
  return result?.applied ? result.revision : undefined;
}

import { isEtaskError } from "../base/errors.ts";
import { publish } from "../base/events.ts";
import type { LoopWorld } from "../base/loop.ts";
import { untilAnswered } from "../coordination/until-answered.ts";
import type { Part } from "../store/part.ts";
import type { PartResult, Revision, Store } from "../store/store.ts";

/** Refusals that time or an operator mends. What is to be written exists only here until then. */
const PASSING: readonly string[] = [
  "STORE_UNAVAILABLE",
  "STORE_FULL",
  "STORE_BUSY",
  "STORE_DENIED",
];

/**
 * Commits until the store gives a definite answer, however long it is away, full, overloaded or
 * denies us. The same `Part` objects are handed in again each time, so a lost answer is resolved by
 * their witnesses.
 *
 * @throws the store's error when `signal` aborts meanwhile, and every error that does not pass.
 */
export function commitUntilKnown(
  store: Store,
  parts: readonly Part[],
  world: LoopWorld,
  signal: AbortSignal,
): Promise<PartResult[]> {
  return untilAnswered(() => store.commit(parts), world, signal, passes);
}

function passes(error: unknown): boolean {
  if (!isEtaskError(error) || !PASSING.includes(error.code)) return false;
  // The store's other troubles are told by its driver; a permission is somebody's to mend.
  if (error.code === "STORE_DENIED") publish("etask:loop:failed", { loop: "commit", error });
  return true;
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

/**
 * Enqueues a task that makes a claim, see `task/claim.ts`.
 *
 * The task and its claim are created by one part, held while nobody has the claim. When it is
 * refused, the refusal brings the claim's entry along, and what that names decides: a task that
 * holds it is what the caller gets, moved if the claim is a debounce; an entry that says nothing
 * any more is replaced by the next try, guarded by its revision. The entry of a `unique` task goes
 * with the task, so one without a task is damage, and mended here.
 *
 * If the process dies, what was committed stands. A lost answer is resolved by the part's witness.
 */
import type { LoopWorld } from "../base/loop.ts";
import type { Entry, PartResult, Store } from "../store/store.ts";
import { StoreBusyError } from "../store/store-errors.ts";
import { claimOf } from "../task/claim.ts";
import { holderOf } from "./claim-holder.ts";
import { debouncePart } from "./debounce.ts";
import { type EnqueueReceipt, enqueuePart, nearlyFull } from "./enqueue.ts";
import type { EncodedSpec } from "./spec.ts";

/** Each try that fails is one that somebody else won, so this bounds how many may contend. */
const TRIES_MAX = 200;

/**
 * Creates a task, or joins the one that has its claim.
 *
 * @throws StoreNearlyFullError (`STORE_NEARLY_FULL`) when the store accepts no new tasks.
 * @throws StoreBusyError (`STORE_BUSY`) when the claim changed under every one of 200 tries.
 */
export async function enqueueClaimed(
  store: Store,
  clock: LoopWorld["clock"],
  encoded: EncodedSpec,
): Promise<EnqueueReceipt> {
  const { spec, bytes } = encoded;
  let seen = 0;
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const [result] = await store.commit([enqueuePart(spec, bytes, seen)]);
    const { applied, revision, reads } = result as PartResult;
    const [same, entry] = reads;
    if (applied || same) return { id: spec.id, revision, created: applied };
    if ((entry?.modRevision ?? 0) === seen) throw nearlyFull(spec.id);
    const joined = entry && (await join(store, clock.now(), encoded, { entry, revision }));
    if (joined === "again") continue;
    if (joined) return joined;
    seen = entry?.modRevision ?? 0;
  }
  throw new StoreBusyError(
    `The claim ${claimOf(spec)} kept changing, so task ${spec.id} was not accepted. Try again later.`,
  );
}

/** What the holder of the claim is to the caller; `undefined` when there is none. */
async function join(
  store: Store,
  now: number,
  { spec, debounce }: EncodedSpec,
  { entry, revision }: { readonly entry: Entry; readonly revision: number },
): Promise<EnqueueReceipt | "again" | undefined> {
  const holder = await holderOf(store, entry, now);
  if (!holder) return undefined;
  const { id, task } = holder;
  if (!debounce || !task) return { id, revision, created: false };
  const [moved] = await store.commit([
    debouncePart(task, { input: spec.input, how: debounce }, now),
  ]);
  if (!moved?.applied) return "again";
  const replaced = debounce.payload === "last";
  return { id, revision: moved.revision, created: false, replaced };
}

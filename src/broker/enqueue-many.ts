import type { Store } from "../store/store.ts";
import { EnqueuePartialError, type MissingTask } from "../task/enqueuer.ts";
import type { TaskHandle } from "../task/handle.ts";
import { commitBulk } from "./bulk.ts";
import { type EnqueueReceipt, enqueuePart, receiptOf } from "./enqueue.ts";
import type { EncodedSpec } from "./spec.ts";

/** Makes a handle from a receipt; the backend provides it. */
export type HandleMaker = (receipt: EnqueueReceipt) => TaskHandle;

/**
 * Enqueues tasks in the order given. An id that comes twice makes one task, as it does in two
 * calls.
 *
 * @throws EnqueuePartialError (`ENQUEUE_PARTIAL`) when some did not certainly land; its `resume()`
 *   sends those again, as often as need be.
 */
export function enqueueMany(
  store: Store,
  specs: readonly EncodedSpec[],
  handleOf: HandleMaker,
): Promise<TaskHandle[]> {
  const parts = specs.map(({ spec, bytes }) => enqueuePart(spec, bytes));
  const idOf = (index: number) => specs[index]?.spec.id as string;
  const firstOf = new Map<string, number>();
  for (const [index, { spec }] of specs.entries()) {
    if (!firstOf.has(spec.id)) firstOf.set(spec.id, index);
  }
  const receipts = new Map<string, EnqueueReceipt>();
  const run = async (): Promise<TaskHandle[]> => {
    const open = [...firstOf].filter(([id]) => !receipts.has(id)).map(([, index]) => index);
    const { outcomes, error } = await commitBulk(
      store,
      open.map((index) => parts[index] as (typeof parts)[number]),
    );
    let refusal: unknown;
    const applied = new Map<string, MissingTask["applied"]>();
    for (const [at, outcome] of outcomes.entries()) {
      const id = idOf(open[at] as number);
      if (outcome.kind === "missing") {
        applied.set(id, outcome.applied);
        continue;
      }
      try {
        receipts.set(id, receiptOf(id, outcome.result));
      } catch (error) {
        refusal ??= error;
      }
    }
    const landed: TaskHandle[] = [];
    const missing: MissingTask[] = [];
    for (const index of specs.keys()) {
      const id = idOf(index);
      const receipt = receipts.get(id);
      if (!receipt) missing.push({ index, id, applied: applied.get(id) ?? "no" });
      else {
        const created = receipt.created && firstOf.get(id) === index;
        landed.push(handleOf({ ...receipt, created }));
      }
    }
    if (missing.length === 0) return landed;
    throw new EnqueuePartialError(landed, missing, error ?? refusal, run);
  };
  return run();
}

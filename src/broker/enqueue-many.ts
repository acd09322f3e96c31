import type { PartResult, Store } from "../store/store.ts";
import { StoreError } from "../store/store-errors.ts";
import { claimOf } from "../task/claim.ts";
import { EnqueuePartialError, type MissingTask } from "../task/enqueuer.ts";
import type { TaskHandle } from "../task/handle.ts";
import { commitBulk } from "./bulk.ts";
import { type EnqueueReceipt, enqueuePart, receiptOf } from "./enqueue.ts";
import { inLanes } from "./running-view.ts";
import type { EncodedSpec } from "./spec.ts";

/** Makes a handle from a receipt; the backend provides it. */
export type HandleMaker = (receipt: EnqueueReceipt) => TaskHandle;

/** What {@link enqueueMany} works with. */
export interface EnqueueManyWorld {
  readonly store: Store;
  /** Enqueues one task, whatever its claim. */
  readonly one: (encoded: EncodedSpec) => Promise<EnqueueReceipt>;
  readonly handleOf: HandleMaker;
}

/**
 * Enqueues tasks in the order given. An id that comes twice makes one task, as it does in two
 * calls, and so does a claim.
 *
 * @throws EnqueuePartialError (`ENQUEUE_PARTIAL`) when some did not certainly land; its `resume()`
 *   sends those again, as often as need be.
 */
export function enqueueMany(
  world: EnqueueManyWorld,
  specs: readonly EncodedSpec[],
): Promise<TaskHandle[]> {
  const batch = new Batch(specs);
  const run = async (): Promise<TaskHandle[]> => {
    const failure = (await batch.sendTogether(world)) ?? (await batch.sendSingly(world));
    const landed: TaskHandle[] = [];
    const missing: MissingTask[] = [];
    for (const [index, { spec }] of specs.entries()) {
      const outcome = batch.outcome(index);
      if (typeof outcome === "string") missing.push({ index, id: spec.id, applied: outcome });
      else landed.push(world.handleOf(outcome));
    }
    if (missing.length === 0) return landed;
    throw new EnqueuePartialError(landed, missing, failure?.error, run);
  };
  return run();
}

type Failure = { readonly error: unknown } | undefined;

/**
 * What is known of each task. The first of each id and of each claim go together, in as few commits
 * as possible. What is left then has a claim: it met a task that may hold it, in the store or in
 * this batch, and goes one by one.
 */
class Batch {
  readonly #specs: readonly EncodedSpec[];
  readonly #firstOfId = new Map<string, number>();
  readonly #firstOfClaim = new Map<string, number>();
  readonly #receipts = new Map<number, EnqueueReceipt>();
  readonly #unknown = new Set<number>();

  constructor(specs: readonly EncodedSpec[]) {
    this.#specs = specs;
    for (const [index, { spec }] of specs.entries()) {
      const claim = claimOf(spec);
      if (!this.#firstOfId.has(spec.id)) this.#firstOfId.set(spec.id, index);
      if (claim !== undefined && !this.#firstOfClaim.has(claim)) {
        this.#firstOfClaim.set(claim, index);
      }
    }
  }

  /** The receipt of a task, or whether it may have been applied all the same. */
  outcome(index: number): EnqueueReceipt | MissingTask["applied"] {
    const first = this.#firstOfId.get(this.#spec(index).id) as number;
    const receipt = this.#receipts.get(first);
    if (!receipt) return this.#unknown.has(first) ? "unknown" : "no";
    return first === index ? receipt : { ...receipt, created: false };
  }

  async sendTogether({ store }: EnqueueManyWorld): Promise<Failure> {
    const open = this.#open().filter((index) => {
      const claim = claimOf(this.#spec(index));
      return claim === undefined || this.#firstOfClaim.get(claim) === index;
    });
    if (open.length === 0) return undefined;
    const parts = open.map((index) => enqueuePart(this.#spec(index), this.#encoded(index).bytes));
    const { outcomes, error } = await commitBulk(store, parts);
    let failure: Failure = error === undefined ? undefined : { error };
    for (const [at, outcome] of outcomes.entries()) {
      const index = open[at] as number;
      if (outcome.kind === "missing") this.#note(index, outcome.applied);
      else failure = this.#read(index, outcome.result) ?? failure;
    }
    return failure;
  }

  async sendSingly({ one }: EnqueueManyWorld): Promise<Failure> {
    let failure: Failure;
    await inLanes(this.#open(), async (index) => {
      if (failure) return;
      try {
        this.#receipts.set(index, await one(this.#encoded(index)));
        this.#unknown.delete(index);
      } catch (error) {
        failure ??= { error };
        this.#note(index, error instanceof StoreError ? error.applied : "unknown");
      }
    });
    return failure;
  }

  /** The first of each id that have no receipt yet. */
  #open(): number[] {
    return [...this.#firstOfId.values()].filter((index) => !this.#receipts.has(index));
  }

  #read(index: number, result: PartResult): Failure {
    const { spec } = this.#encoded(index);
    this.#unknown.delete(index);
    // Who has the claim is found out by a call of its own.
    if (!result.applied && !result.reads[0] && claimOf(spec) !== undefined) return undefined;
    try {
      this.#receipts.set(index, receiptOf(spec.id, result));
      return undefined;
    } catch (error) {
      return { error };
    }
  }

  #note(index: number, applied: MissingTask["applied"]): void {
    if (applied === "unknown") this.#unknown.add(index);
    else this.#unknown.delete(index);
  }

  #spec(index: number): EncodedSpec["spec"] {
    return this.#encoded(index).spec;
  }

  #encoded(index: number): EncodedSpec {
    return this.#specs[index] as EncodedSpec;
  }
}

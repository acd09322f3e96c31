import { setMaxListeners } from "node:events";
import { backoffMs } from "../base/backoff.ts";
import type { Clock } from "../base/clock.ts";
import type { Applied } from "../base/errors.ts";
import { publish } from "../base/events.ts";
import { pause } from "../base/loop.ts";
import { requireInteger } from "../base/options.ts";
import type { Random } from "../base/random.ts";
import type { Part } from "./part.ts";
import type { KeyRange } from "./range.ts";
import type {
  Entry,
  Lease,
  LeaseId,
  PartResult,
  RangeOptions,
  RangePage,
  Store,
  WatchBatch,
  WatchOptions,
} from "./store.ts";
import {
  InvalidCommitError,
  isUnavailable,
  LeaseLostError,
  StoreClosedError,
  StoreError,
  StoreFullError,
  StoreUnavailableError,
} from "./store-errors.ts";
import type { StoreUpkeep } from "./upkeep.ts";

/**
 * # Finding out what became of a write whose answer was lost
 *
 * A commit that fails with `applied: "unknown"` may have been applied, may still be on its way, or
 * may be lost. Reading back is no answer: the first copy may be applied after the read. So the same
 * guarded parts are sent again, together with a read of each part's witness for the case that its
 * guards fail:
 *
 * 1. **The guards hold.** The part is applied by this copy. If an earlier copy is still in flight,
 *    it finds its guards broken by this one and changes nothing.
 * 2. **The guards fail, and the witness has the part's own value.** Nobody else writes that value,
 *    so an earlier copy was applied, at the witness's `modRevision`. That is the result.
 * 3. **The guards fail, and the witness has another value or none.** Somebody else was faster:
 *    either no copy was applied, or one was and the key has moved on since. The part is reported as
 *    not applied, which is safe: the key is somebody else's by now. A witness that nobody ever
 *    overwrites rules the second out.
 *
 * What a part needs for this to be exact: at least one guard that its own writes break for good
 * ("absent" or "unchanged" on a key that it writes; an absent key must stay written for longer than
 * a copy can be in flight), and a witness. A part without guards is applied once more by each copy,
 * and a late copy may overwrite what came after it. A part without a witness, such as one that only
 * deletes, is reported as not applied in case 2: its effect is there, only the credit is not.
 *
 * **The store is away** for longer than the budget: the last error is thrown, with `applied`
 * "unknown" when any copy may have been applied. Such parts are remembered by identity: whoever
 * hands the same `Part` objects in again, goes on resolving, not starting anew. That is why nothing
 * above this decorator may rebuild parts.
 *
 * **A re-send is refused** for another reason: a lost lease, a denied permission. The refusal
 * speaks for that copy alone, so it is thrown with `applied` "unknown", too.
 *
 * **The process dies**: nobody waits for the answer any more; guards keep late copies harmless.
 * **Close** interrupts the pause between two tries; a try under way is waited for.
 */
export function createResolvingStore(store: Store, options: ResolvingOptions): Store {
  return new ResolvingStore(store, options);
}

/** How long a commit is tried, and on what clock. */
export interface ResolvingOptions {
  readonly clock: Clock;
  /** Spreads the tries of many callers. */
  readonly random: Random;
  /** No new try begins later than this after the first, 0 to 600 000. Default 10 000. */
  readonly budgetMs?: number;
}

const PAUSE_MS_FIRST = 50;
const PAUSE_MS_MAX = 1_000;

class ResolvingStore implements Store {
  readonly #store: Store;
  readonly #world: { readonly clock: Clock; readonly random: Random };
  readonly #budgetMs: number;
  /** Parts that may have been applied although their caller was told an error. */
  readonly #unresolved = new WeakSet<Part>();
  readonly #closed = new AbortController();

  constructor(store: Store, options: ResolvingOptions) {
    this.#store = store;
    this.#world = options;
    this.#budgetMs = requireInteger("budgetMs", options.budgetMs ?? 10_000, 0, 600_000);
    // Each caller in a pause listens; Node would warn of a leak at the eleventh.
    setMaxListeners(0, this.#closed.signal);
  }

  get url(): string | undefined {
    return this.#store.url;
  }

  get upkeep(): StoreUpkeep | undefined {
    return this.#store.upkeep;
  }

  get(key: string): Promise<Entry | undefined> {
    return this.#store.get(key);
  }

  range(range: KeyRange, options?: RangeOptions): Promise<RangePage> {
    return this.#store.range(range, options);
  }

  watch(range: KeyRange, options: WatchOptions): AsyncIterable<WatchBatch> {
    return this.#store.watch(range, options);
  }

  grant(ttlMs: number): Promise<Lease> {
    return this.#store.grant(ttlMs);
  }

  keepAlive(lease: LeaseId): Promise<void> {
    return this.#store.keepAlive(lease);
  }

  revoke(lease: LeaseId): Promise<void> {
    return this.#store.revoke(lease);
  }

  async commit(parts: readonly Part[]): Promise<PartResult[]> {
    const { signal } = this.#closed;
    const deadlineMs = this.#world.clock.monotonic() + this.#budgetMs;
    let unknown = parts.some((part) => this.#unresolved.has(part));
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#try(parts, unknown);
      } catch (error) {
        unknown ||= mayHaveLanded(error);
        const pauseMs = backoffMs(tries, PAUSE_MS_FIRST, PAUSE_MS_MAX, this.#world.random);
        const inTime = this.#world.clock.monotonic() + pauseMs <= deadlineMs;
        const again = isUnavailable(error) && inTime;
        if (again) await pause(this.#world, pauseMs, signal);
        if (!again || signal.aborted) throw this.#finalError(error, parts, unknown);
        if (unknown) {
          publish("etask:store:resolving", { parts: parts.length, reason: error.message });
        }
      }
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #try(parts: readonly Part[], unknown: boolean): Promise<PartResult[]> {
    if (!unknown) return this.#store.commit(parts);
    const results = await this.#store.commit(parts.map(withWitnessRead));
    return results.map((result, index) => resolvedResult(parts[index], result));
  }

  /** What the caller gets, given that the last try failed with `error`. */
  #finalError(error: unknown, parts: readonly Part[], unknown: boolean): unknown {
    if (unknown) for (const part of parts) this.#unresolved.add(part);
    if (isUnavailable(error) && this.#closed.signal.aborted) {
      return new StoreClosedError("The store was closed.", unknown ? "unknown" : "no");
    }
    return unknown ? asUnknown(error) : error;
  }
}

function mayHaveLanded(error: unknown): boolean {
  return !(error instanceof StoreError) || error.applied === "unknown";
}

/** The same failure, saying that an earlier copy may have been applied. */
function asUnknown(error: unknown): unknown {
  const applied: Applied = "unknown";
  if (!(error instanceof StoreError) || error.applied === applied) return error;
  // The caller's mistake, and nothing new was sent.
  if (error instanceof InvalidCommitError) return error;
  if (error instanceof LeaseLostError) return new LeaseLostError(error.lease, applied);
  if (error instanceof StoreClosedError) return new StoreClosedError(error.message, applied);
  if (error instanceof StoreFullError) return new StoreFullError(error.message, applied, error);
  return new StoreUnavailableError(
    `An earlier copy of this commit may have been applied; the last one failed: ${error.message}`,
    applied,
    error,
  );
}

function withWitnessRead(part: Part): Part {
  const { guards, writes, otherwise = [], witness } = part;
  if (witness === undefined || otherwise.includes(witness)) return part;
  // Without the witness itself: as one of the reads it counts once against the limits.
  return { guards, writes, otherwise: [...otherwise, witness] };
}

/** The result of a part that was sent with {@link withWitnessRead}, as its caller asked for it. */
function resolvedResult(part: Part | undefined, result: PartResult): PartResult {
  if (result.applied || part?.witness === undefined) return result;
  const { otherwise = [], witness } = part;
  const asked = otherwise.indexOf(witness);
  const entry = result.reads[asked === -1 ? otherwise.length : asked];
  if (entry !== undefined && isOwnValue(part, entry)) {
    return { applied: true, revision: entry.modRevision, reads: [] };
  }
  return asked === -1 ? { ...result, reads: result.reads.slice(0, otherwise.length) } : result;
}

function isOwnValue(part: Part, { key, value }: Entry): boolean {
  const write = part.writes.find((each) => each.key === key);
  return write?.op === "put" && Buffer.compare(write.value, value) === 0;
}

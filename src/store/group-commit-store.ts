import type { Clock } from "../base/clock.ts";
import { createDeferred, type Deferred } from "../base/deferred.ts";
import { isEtaskError } from "../base/errors.ts";
import { requireInteger } from "../base/options.ts";
import { Call, Lane, WaitingCalls } from "./commit-queue.ts";
import { KeyTurns } from "./key-turns.ts";
import {
  COMMIT_BYTES_MAX,
  COMMIT_PARTS_MAX,
  checkCommit,
  markChecked,
  partBytes,
} from "./limits.ts";
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
  isUnavailable,
  StoreBusyError,
  StoreClosedError,
  StoreUnavailableError,
} from "./store-errors.ts";
import type { StoreUpkeep } from "./upkeep.ts";

/**
 * # Group commit
 *
 * A durable commit costs one fsync, whatever it carries. So the calls of concurrent callers are
 * collected for one turn of the event loop and sent together, and while all flights are busy, they
 * accumulate. Nobody can tell, except by the clock.
 *
 * **A call** is *waiting for keys*, then *ready*, then *in flight*, then *settled*:
 * 1. The parts of one call are never torn apart: they get one commit, hence one revision.
 * 2. Two calls that name a common key which one of them writes are never in the same commit, nor in
 *    flight at the same time, and go in the order of their arrival. `KeyTurns` keeps that. Keys
 *    that calls only look at (every task of a worker guards the worker's key) are shared.
 * 3. So all ready calls are free of conflicts with each other and with everything in flight: they
 *    are packed as they come, without looking ahead. A call that waits for keys delays only those
 *    that conflict with it.
 *
 * **One bad call does not fail its neighbours.** When a merged commit is refused for a reason that
 * one caller gave, nothing of it was applied; both halves are committed again, and so on down to
 * the single call, which gets its own answer.
 *
 * **When the store is away**, a flight fails with "unavailable" for every call in it. What was
 * applied is not looked into here: put a resolving store below, it keeps the keys of an unresolved
 * call from conflicting ones. Calls which waited for {@link WAIT_MS_MAX} behind a failing flight
 * fail with it, surely not applied, so a caller's wait is bounded by that and the time of one
 * flight. Calls that only delete have a lane of their own, because deleting is the way out when the
 * store is full and puts are stuck.
 *
 * **When the process dies**, calls not in flight were not applied; for calls in flight nobody
 * knows.
 *
 * **Close** refuses new commits, sends what is queued, and then closes the store below. Reads and
 * watches go on until then.
 */
export function createGroupCommitStore(store: Store, options: GroupCommitOptions): Store {
  return new GroupCommitStore(store, options);
}

/** How commits are grouped. */
export interface GroupCommitOptions {
  readonly clock: Clock;
  /**
   * Commits in flight at once, 1 to 64; one more that only deletes may fly beside them. Default 4.
   */
  readonly flightsMax?: number;
}

/** Most parts that wait to be sent; a call beyond gets {@link StoreBusyError}. */
export const WAITING_PARTS_MAX = 100_000;

/** Most bytes that wait to be sent, by `partBytes`; a call beyond gets {@link StoreBusyError}. */
export const WAITING_BYTES_MAX = 268_435_456;

/** How long a call waits at most while the store does not answer. */
export const WAIT_MS_MAX = 10_000;

/**
 * A commit that merges calls stays at half of what a commit may hold: small calls do not wait for
 * the transfer of many large ones, and a decorator below that lengthens keys has room to do so.
 */
const MERGED_BYTES_MAX = COMMIT_BYTES_MAX / 2;

/** Refusals that one part of a commit brings about for all. */
const ONE_CALLERS_FAULT: readonly string[] = [
  "INVALID_COMMIT",
  "LEASE_LOST",
  "STORE_DENIED",
  "STORE_REFUSED",
];

class GroupCommitStore implements Store {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #keys = new KeyTurns<Call>();
  readonly #puts: Lane;
  readonly #deletes: Lane;
  readonly #waiting = new WaitingCalls();
  #turnDue = false;
  #closing: Promise<void> | undefined;
  #drained: Deferred<void> | undefined;

  constructor(store: Store, options: GroupCommitOptions) {
    const flightsMax = requireInteger("flightsMax", options.flightsMax ?? 4, 1, 64);
    this.#store = store;
    this.#clock = options.clock;
    this.#puts = new Lane(flightsMax);
    this.#deletes = new Lane(1);
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

  commit(parts: readonly Part[]): Promise<PartResult[]> {
    return new Promise((resolve, reject) => {
      const bytes = this.#admit(parts);
      const lane = parts.every(onlyDeletes) ? this.#deletes : this.#puts;
      const arrivedMs = this.#clock.monotonic();
      const call = new Call({ parts, bytes, lane, arrivedMs, resolve, reject }, this.#keys);
      this.#waiting.add(call);
      if (call.turns.awaited === 0) this.#makeReady(call);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#drain();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The bytes of `parts`, when they may come in. */
  #admit(parts: readonly Part[]): number {
    if (this.#closing !== undefined) throw new StoreClosedError();
    checkCommit(parts);
    let bytes = 0;
    for (const part of parts) bytes += partBytes(part);
    const waiting = this.#waiting;
    if (
      waiting.parts + parts.length > WAITING_PARTS_MAX ||
      waiting.bytes + bytes > WAITING_BYTES_MAX
    ) {
      throw new StoreBusyError(
        `${waiting.parts} parts of ${waiting.bytes} bytes wait to be committed already; ` +
          `the most is ${WAITING_PARTS_MAX} parts and ${WAITING_BYTES_MAX} bytes.`,
      );
    }
    return bytes;
  }

  readonly #makeReady = (call: Call): void => {
    call.lane.push(call);
    this.#scheduleTurn();
  };

  #scheduleTurn(): void {
    if (this.#turnDue) return;
    this.#turnDue = true;
    this.#clock.nextTurn(this.#takeTurn);
  }

  readonly #takeTurn = (): void => {
    this.#turnDue = false;
    for (const lane of [this.#puts, this.#deletes]) {
      while (lane.flights < lane.flightsMax) {
        const batch = this.#takeBatch(lane);
        if (batch.length === 0) break;
        void this.#fly(lane, batch);
      }
    }
    this.#noticeDrained();
  };

  /** The ready calls of a lane that fit into one commit, oldest first. */
  #takeBatch(lane: Lane): Call[] {
    const batch: Call[] = [];
    let parts = 0;
    let bytes = 0;
    for (let call = lane.first; call !== undefined; call = lane.first) {
      if (call.abandoned) {
        lane.dropFirst();
        this.#keys.release(call.turns, this.#makeReady);
        continue;
      }
      parts += call.parts.length;
      bytes += call.bytes;
      if (batch.length > 0 && (parts > COMMIT_PARTS_MAX || bytes > MERGED_BYTES_MAX)) break;
      lane.dropFirst();
      this.#waiting.remove(call);
      batch.push(call);
    }
    return batch;
  }

  async #fly(lane: Lane, batch: readonly Call[]): Promise<void> {
    lane.flights += 1;
    await this.#send(batch);
    lane.flights -= 1;
    for (const call of batch) this.#keys.release(call.turns, this.#makeReady);
    // Not sent at once: the callers that were answered just now may have more for the same commit.
    if (lane.first !== undefined || this.#drained !== undefined) this.#scheduleTurn();
  }

  /** Commits the calls and settles each of them. Never rejects. */
  async #send(calls: readonly Call[]): Promise<void> {
    try {
      const results = await this.#store.commit(mergedParts(calls));
      settle(calls, results);
    } catch (error) {
      if (calls.length > 1 && isEtaskError(error) && ONE_CALLERS_FAULT.includes(error.code)) {
        const half = calls.length >>> 1;
        await this.#send(calls.slice(0, half));
        await this.#send(calls.slice(half));
        return;
      }
      for (const call of calls) call.reject(error);
      if (isUnavailable(error)) this.#abandonOld(error);
    }
  }

  /** Fails the calls that have waited for too long behind flights that failed. */
  #abandonOld(cause: unknown): void {
    const arrivedBefore = this.#clock.monotonic() - WAIT_MS_MAX;
    for (let call = this.#waiting.oldest; call !== undefined; call = this.#waiting.oldest) {
      if (call.arrivedMs > arrivedBefore) return;
      this.#waiting.remove(call);
      call.abandoned = true;
      call.reject(
        new StoreUnavailableError(
          `Not sent: for ${WAIT_MS_MAX} ms the store did not take the commits before this one.`,
          "no",
          cause,
        ),
      );
    }
  }

  async #drain(): Promise<void> {
    if (!this.#idle()) {
      this.#drained = createDeferred();
      await this.#drained.promise;
    }
    await this.#store.close();
  }

  #noticeDrained(): void {
    if (this.#idle()) this.#drained?.resolve();
  }

  #idle(): boolean {
    return (
      this.#waiting.oldest === undefined && this.#puts.flights === 0 && this.#deletes.flights === 0
    );
  }
}

function onlyDeletes(part: Part): boolean {
  return part.writes.every((write) => write.op === "delete");
}

function mergedParts(calls: readonly Call[]): readonly Part[] {
  const [first] = calls;
  const parts =
    calls.length === 1 && first !== undefined ? first.parts : calls.flatMap((call) => call.parts);
  // Each call was checked when it came in; their sum is bounded, their keys are disjoint by turns.
  markChecked(parts);
  return parts;
}

function settle(calls: readonly Call[], results: PartResult[]): void {
  let from = 0;
  for (const call of calls) {
    const to = from + call.parts.length;
    call.resolve(calls.length === 1 ? results : results.slice(from, to));
    from = to;
  }
}

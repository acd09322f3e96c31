import type { Part } from "./part.ts";
import type { KeyRange } from "./range.ts";
import type { StoreUpkeep } from "./upkeep.ts";

/**
 * # The store contract
 *
 * The seam between queue logic and storage is etcd's data model: ordered keys, one revision counter
 * for the whole store, guarded commits, leases, watches. Everything above is written once; every
 * driver passes `store/conformance`.
 *
 * **Keys** are 1 to {@link KEY_BYTES_MAX} characters of printable ASCII (0x20 to 0x7e), so text
 * order is byte order. Keys that another program wrote may hold anything; they are returned as they
 * are.
 *
 * **Revisions** are safe integers. Each commit that changes something raises the revision by one; a
 * commit that changes nothing (no part held, or only absent keys were deleted) does not. An entry's
 * `modRevision` is the revision that wrote it last, `createRevision` the one that created it after
 * it was absent, `version` counts its puts since then, from 1.
 *
 * **Durability**: a promise that resolves is on disk (etcd: on the disks of a quorum).
 *
 * **Reads** (`get`, `range`) see every commit that resolved before they were called. Correctness
 * must not rest on that: old etcd versions have stale-read bugs. It rests on guards alone.
 *
 * **Errors** of the store are {@link StoreError}s; a failed `commit` says whether it may have
 * landed (`applied`). `get`, `range` and `grant` are safe to repeat, drivers repeat them within
 * their time limit. A driver repeats a commit by itself only when it is certain that it was not
 * applied.
 */
export interface Store extends AsyncDisposable {
  /**
   * The URL that opens the same store again, in this or another thread or process; `undefined` for
   * a store that lives in this thread alone. May hold credentials: never log it.
   */
  readonly url: string | undefined;

  /** Care that the store leaves to its clients; absent when it takes care of itself. */
  readonly upkeep?: StoreUpkeep | undefined;

  /** The entry at `key` now, or `undefined`, also for text that no key can be. */
  get(key: string): Promise<Entry | undefined>;

  /**
   * The entries of a range in key order, at most `limit` of them, all as of one revision.
   *
   * To page, call again from {@link afterKey} of the last entry with the first page's `revision`.
   * On etcd the cost is that of all keys in the range, also deleted ones, not of `limit`: keep
   * ranges narrow at both ends.
   *
   * @throws HistoryLostError (`HISTORY_LOST`) when `revision` was compacted.
   * @throws StoreUnavailableError (`STORE_UNAVAILABLE`) when the store is not at `revision` yet.
   */
  range(range: KeyRange, options?: RangeOptions): Promise<RangePage>;

  /**
   * The only write. Each part stands or falls alone, by its guards as of the state before the
   * commit; all parts that hold are applied together at one revision. Results come in the order of
   * `parts`.
   *
   * A key that one part writes must not be named by any other part of the same commit. An empty
   * list is refused. See `store/limits.ts` for sizes, all checked before anything is sent.
   *
   * @throws InvalidCommitError (`INVALID_COMMIT`) when `parts` break a rule or limit; nothing was
   *   sent.
   * @throws LeaseLostError (`LEASE_LOST`) when a part that holds puts a key on a lease that does
   *   not exist; then no part is applied.
   * @throws StoreError with `applied` for all else.
   */
  commit(parts: readonly Part[]): Promise<PartResult[]>;

  /**
   * All changes of a range after a revision: whole revisions, in order, without gap or repetition,
   * for as long as the iteration goes on. The driver reconnects and resumes by itself. A batch
   * without events says that nothing else happened up to its `revision`; drivers may send such
   * batches.
   *
   * Buffers are bounded: a slow consumer is resumed from where it is. Ends quietly when `signal`
   * aborts or the consumer breaks out of the loop.
   *
   * @throws HistoryLostError (`HISTORY_LOST`) when changes after `after` are no longer known (they
   *   were compacted, or the store was restored from a backup): list the range again. A store may
   *   notice one revision late: with `after` one below the compaction it may deliver or throw. With
   *   `after` ahead of the store it may wait, or take the store for restored and throw.
   * @throws StoreClosedError (`STORE_CLOSED`) when the store is closed meanwhile.
   */
  watch(range: KeyRange, options: WatchOptions): AsyncIterable<WatchBatch>;

  /**
   * Creates a lease of at least `ttlMs` (from {@link LEASE_TTL_MS_MIN} to
   * {@link LEASE_TTL_MS_MAX}). When it expires, its keys are deleted in one revision. Expiry may be
   * late, never early.
   */
  grant(ttlMs: number): Promise<Lease>;

  /**
   * Starts the lease's time anew. An answer is no proof that the lease still lives: only a guard
   * is.
   *
   * @throws LeaseLostError (`LEASE_LOST`) when it has expired or was revoked.
   */
  keepAlive(lease: LeaseId): Promise<void>;

  /**
   * Ends a lease and deletes its keys in one revision. A lease that is gone already is no error.
   */
  revoke(lease: LeaseId): Promise<void>;

  /** Ends watches, refuses new calls, waits for commits under way. Idempotent. */
  close(): Promise<void>;
}

/** A position in the store's one total order of changes. A safe integer; 0 is before everything. */
export type Revision = number;

/** A lease's name. Text, because etcd's ids exceed the safe integers. */
export type LeaseId = string;

/** A lease as granted; `ttlMs` may be more than was asked for. */
export interface Lease {
  readonly id: LeaseId;
  readonly ttlMs: number;
}

/** One key with its value and history. */
export interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  readonly version: number;
  /** The lease that the key is attached to, if any. */
  readonly lease?: LeaseId;
}

/** How to read a range. */
export interface RangeOptions {
  /** At most this many entries, from 1 to {@link RANGE_LIMIT_MAX}, which is also the default. */
  readonly limit?: number;
  /** Read as of this revision, from 1, instead of now. */
  readonly revision?: Revision;
  /** Also count all keys of the range, at the price of visiting each. Default false. */
  readonly count?: boolean;
}

/** What was read of a range. */
export interface RangePage {
  readonly entries: readonly Entry[];
  /** The revision that the page shows: the one asked for, else the newest. */
  readonly revision: Revision;
  /** Whether the range has entries beyond `limit`. */
  readonly more: boolean;
  /** All keys of the range at `revision`; only when `count` was asked for. */
  readonly count?: number;
}

/** What became of one part of a commit. */
export interface PartResult {
  /** Whether the guards held and the writes were made. */
  readonly applied: boolean;
  /**
   * Applied: the revision of the writes. Not applied: the revision at which the guards were judged.
   */
  readonly revision: Revision;
  /** Not applied: what the part's `otherwise` found, in its order. Applied: empty. */
  readonly reads: readonly (Entry | undefined)[];
}

/** Where a watch begins and what ends it. */
export interface WatchOptions {
  /** Deliver changes with a revision greater than this. */
  readonly after: Revision;
  readonly signal?: AbortSignal;
}

/** One or more whole revisions of changes, in order. */
export interface WatchBatch {
  /** All changes of the range up to here have been delivered. */
  readonly revision: Revision;
  readonly events: readonly WatchEvent[];
}

/** One change of one key. */
export type WatchEvent =
  | {
      readonly type: "put";
      readonly key: string;
      readonly modRevision: Revision;
      readonly entry: Entry;
    }
  | { readonly type: "delete"; readonly key: string; readonly modRevision: Revision };

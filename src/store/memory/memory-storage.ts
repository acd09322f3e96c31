import { type Clock, systemClock } from "../../base/clock.ts";
import { requireInteger, requireKnownKeys } from "../../base/options.ts";
import { checkCommit, RANGE_LIMIT_MAX } from "../limits.ts";
import { guardHolds, type Part, type Write } from "../part.ts";
import type { KeyRange } from "../range.ts";
import type {
  Entry,
  Lease,
  LeaseId,
  PartResult,
  RangeOptions,
  RangePage,
  Revision,
  Store,
  WatchBatch,
} from "../store.ts";
import { History } from "./history.ts";
import { LeaseBook } from "./lease-book.ts";
import { MemoryStore } from "./memory-store.ts";

/** Called with each new revision, at once and before anything else runs. */
export type ChangeListener = (batch: WatchBatch) => void;

/** What a memory storage lives on. */
export interface MemoryStorageOptions {
  /** Decides when leases expire. Default: the real clock. */
  readonly clock?: Clock;
}

/**
 * What a store holds, in memory: several clients may be opened on one storage.
 *
 * Everything happens at once, in the call itself, so a program on an injected clock runs the same
 * way each time. It lives in this thread alone and is gone with it.
 */
export class MemoryStorage {
  readonly #history = new History();
  readonly #leases: LeaseBook;
  readonly #listeners = new Set<ChangeListener>();

  constructor(clock: Clock) {
    this.#leases = new LeaseBook(clock, (keys) => {
      this.#write(keys.map((key) => ({ op: "delete", key })));
    });
  }

  /** A new client. Closing it touches neither the data nor other clients. */
  open(): Store {
    return new MemoryStore(this);
  }

  get revision(): Revision {
    return this.#history.revision;
  }

  /** Reads, and watches that start, below this revision are refused; 0 when never compacted. */
  get compactRevision(): Revision {
    return this.#history.compactRevision;
  }

  /** Every change since the last compaction, one batch for each revision: an oracle replays it. */
  get log(): readonly WatchBatch[] {
    return this.#history.log;
  }

  /** Forgets the history below `revision`; repeating that, or going back, does nothing. */
  compact(revision: Revision): void {
    this.#history.compact(requireInteger("revision", revision, 0, this.#history.revision));
  }

  get(key: string): Entry | undefined {
    return this.#history.get(key);
  }

  range(range: KeyRange, options: RangeOptions): RangePage {
    const limit = requireInteger("limit", options.limit ?? RANGE_LIMIT_MAX, 1, RANGE_LIMIT_MAX);
    const asked = options.revision ?? this.#history.revision;
    const revision = requireInteger("revision", asked, 1, Number.MAX_SAFE_INTEGER);
    const entries: Entry[] = [];
    let count = 0;
    for (const entry of this.#history.entries(range, revision)) {
      count += 1;
      if (count <= limit) entries.push(entry);
      else if (options.count !== true) break;
    }
    const page = { entries, revision, more: count > limit };
    return options.count === true ? { ...page, count } : page;
  }

  commit(parts: readonly Part[]): PartResult[] {
    checkCommit(parts);
    const judged = this.#history.revision;
    const held = parts.map((part) =>
      part.guards.every((guard) => guardHolds(guard, this.#history.get(guard.key))),
    );
    const reads = parts.map((part, index) =>
      held[index] === true ? [] : (part.otherwise ?? []).map((key) => this.#history.get(key)),
    );
    const writes = parts.flatMap((part, index) => (held[index] === true ? part.writes : []));
    for (const write of writes) {
      if (write.op === "put" && write.lease !== undefined) this.#leases.require(write.lease);
    }
    this.#write(writes);
    const { revision } = this.#history;
    return held.map((applied, index) => ({
      applied,
      revision: applied ? revision : judged,
      reads: reads[index] ?? [],
    }));
  }

  grant(ttlMs: number): Lease {
    return this.#leases.grant(ttlMs);
  }

  keepAlive(lease: LeaseId): void {
    this.#leases.keepAlive(lease);
  }

  revoke(lease: LeaseId): void {
    this.#leases.revoke(lease);
  }

  /** The next changes of a range after a revision; `undefined` when there is nothing newer. */
  changes(range: KeyRange, after: Revision): WatchBatch | undefined {
    return this.#history.changes(range, after);
  }

  /** Calls `listener` with each new revision until the function returned is called. */
  listen(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #write(writes: readonly Write[]): void {
    for (const write of writes) {
      const before = this.#history.get(write.key)?.lease;
      if (before !== undefined) this.#leases.detach(before, write.key);
      if (write.op === "put" && write.lease !== undefined)
        this.#leases.attach(write.lease, write.key);
    }
    const batch = this.#history.apply(writes);
    if (batch !== undefined) for (const listener of [...this.#listeners]) listener(batch);
  }
}

/** Creates an empty {@link MemoryStorage}. */
export function createMemoryStorage(options: MemoryStorageOptions = {}): MemoryStorage {
  requireKnownKeys("createMemoryStorage", options, ["clock"]);
  return new MemoryStorage(options.clock ?? systemClock);
}

/** Opens a store on an empty storage of its own. */
export function openMemoryStore(options: MemoryStorageOptions = {}): Store {
  return createMemoryStorage(options).open();
}

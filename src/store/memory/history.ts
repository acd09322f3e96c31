import type { Write } from "../part.ts";
import { inRange, type KeyRange } from "../range.ts";
import type { Entry, Revision, WatchBatch, WatchEvent } from "../store.ts";
import { HistoryLostError, StoreUnavailableError } from "../store-errors.ts";
import { OrderedMap } from "./ordered-map.ts";

/** etcd's first revision: a store without any change has it. */
const FIRST_REVISION: Revision = 1;

/** A batch ends with the revision that brings it to this many events. */
const BATCH_EVENTS_MAX = 1_000;

/**
 * Every key at every revision since the last compaction: a multi-version map and the log of
 * changes.
 *
 * The newest entries are kept apart from past ones, so that reading them never visits what was
 * deleted. Revisions have no gaps, so a revision's place in the log is arithmetic.
 */
export class History {
  #revision: Revision = FIRST_REVISION;
  #compacted: Revision = 0;
  readonly #newest = new OrderedMap<Entry>();
  /** For each key its changes in order, also the newest; a deletion is an event like any other. */
  readonly #versions = new OrderedMap<WatchEvent[]>();
  readonly #log: WatchBatch[] = [];

  get revision(): Revision {
    return this.#revision;
  }

  /** Reads below this revision are refused. */
  get compactRevision(): Revision {
    return this.#compacted;
  }

  /** One batch for each revision since the compaction, in order. */
  get log(): readonly WatchBatch[] {
    return this.#log;
  }

  get(key: string): Entry | undefined {
    return this.#newest.get(key);
  }

  /** The entries of a range now or at a past revision, in key order. */
  *entries(range: KeyRange, revision: Revision = this.#revision): Iterable<Entry> {
    if (revision > this.#revision) {
      throw new StoreUnavailableError(
        `Revision ${revision} is ahead of the store, which is at ${this.#revision}.`,
        "no",
      );
    }
    this.#requireKnown(revision);
    if (revision === this.#revision) {
      for (const [, entry] of this.#newest.within(range)) yield entry;
      return;
    }
    for (const [, versions] of this.#versions.within(range)) {
      const version = versions.findLast(({ modRevision }) => modRevision <= revision);
      if (version?.type === "put") yield version.entry;
    }
  }

  /** Makes `writes` at one new revision and returns it, or `undefined` when they change nothing. */
  apply(writes: readonly Write[]): WatchBatch | undefined {
    const revision = this.#revision + 1;
    const events: WatchEvent[] = [];
    for (const write of writes) {
      const event = changeOf(write, this.#newest.get(write.key), revision);
      if (event !== undefined) events.push(event);
    }
    if (events.length === 0) return undefined;
    for (const event of events) this.#record(event);
    this.#revision = revision;
    const batch = { revision, events };
    this.#log.push(batch);
    return batch;
  }

  /** The next changes of a range after a revision; `undefined` when there is nothing newer. */
  changes(range: KeyRange, after: Revision): WatchBatch | undefined {
    this.#requireKnown(after);
    if (after >= this.#revision) return undefined;
    const events: WatchEvent[] = [];
    let revision = after;
    while (revision < this.#revision && events.length < BATCH_EVENTS_MAX) {
      revision += 1;
      for (const event of this.#logged(revision)) if (inRange(range, event.key)) events.push(event);
    }
    return { revision, events };
  }

  /**
   * Forgets what only reads below `revision` could see. Repeating it, or going back, does nothing.
   */
  compact(revision: Revision): void {
    if (revision <= this.#compacted) return;
    this.#compacted = revision;
    const forgotten = this.#log.splice(
      0,
      Math.max(0, this.#log.length - this.#revision + revision),
    );
    for (const { events } of forgotten) for (const { key } of events) this.#prune(key);
  }

  #requireKnown(revision: Revision): void {
    if (revision >= this.#compacted) return;
    throw new HistoryLostError(
      `Revision ${revision} is lost: everything below ${this.#compacted} was compacted.`,
      this.#compacted,
    );
  }

  #record(event: WatchEvent): void {
    if (event.type === "put") this.#newest.set(event.key, event.entry);
    else this.#newest.delete(event.key);
    const versions = this.#versions.get(event.key);
    if (versions === undefined) this.#versions.set(event.key, [event]);
    else versions.push(event);
  }

  #logged(revision: Revision): readonly WatchEvent[] {
    return this.#log[this.#log.length - 1 - (this.#revision - revision)]?.events ?? [];
  }

  /** Of the changes up to the compaction only the last one still shows, and only if it is a put. */
  #prune(key: string): void {
    const versions = this.#versions.get(key);
    if (versions === undefined) return;
    const shown = versions.findLastIndex(({ modRevision }) => modRevision <= this.#compacted);
    if (shown > 0) versions.splice(0, shown);
    const first = versions[0];
    if (first?.type === "delete" && first.modRevision <= this.#compacted) versions.shift();
    if (versions.length === 0) this.#versions.delete(key);
  }
}

function changeOf(
  write: Write,
  before: Entry | undefined,
  modRevision: Revision,
): WatchEvent | undefined {
  const { key } = write;
  if (write.op === "delete") {
    return before === undefined ? undefined : { type: "delete", key, modRevision };
  }
  const entry: Entry = {
    key,
    // A copy, because the caller may reuse its buffer, as it may with any other driver.
    value: write.value.slice(),
    createRevision: before?.createRevision ?? modRevision,
    modRevision,
    version: (before?.version ?? 0) + 1,
    ...(write.lease === undefined ? {} : { lease: write.lease }),
  };
  return { type: "put", key, modRevision, entry };
}

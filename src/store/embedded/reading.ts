import { requireInteger } from "../../base/options.ts";
import { KEY_BYTES_MAX, RANGE_LIMIT_MAX } from "../limits.ts";
import { inRange, type KeyRange } from "../range.ts";
import type { Entry, RangeOptions, RangePage, Revision } from "../store.ts";
import { HistoryLostError, StoreUnavailableError } from "../store-errors.ts";
import { currentRevision } from "./change.ts";
import { decodeEntry, decodeLog, decodeNumber, logKey } from "./records.ts";
import { META, type Tables } from "./tables.ts";

/** Everything below this revision is forgotten; 0 when nothing is. */
export function compactRevision({ meta }: Tables): Revision {
  return decodeNumber(meta.get(META.compacted));
}

/**
 * @throws HistoryLostError (`HISTORY_LOST`) when what came after `revision` is not known any more.
 */
export function requireKnown(tables: Tables, revision: Revision): void {
  const compacted = compactRevision(tables);
  if (revision >= compacted) return;
  throw new HistoryLostError(
    `Revision ${revision} is lost: everything below ${compacted} was forgotten.`,
    compacted,
  );
}

/** The entry at `key`. A key that cannot be written is absent. */
export function readEntry(tables: Tables, key: string): Entry | undefined {
  const record = readRecord(tables, key);
  return record && decodeEntry(key, record);
}

/** The record of an entry; there is none of a key that cannot be. */
function readRecord({ entries }: Tables, key: string): Buffer | undefined {
  return key === "" || key.length > KEY_BYTES_MAX ? undefined : entries.get(key);
}

/** Reads records, each once: good while nothing is written at the keys that it has read. */
export function recordReader(tables: Tables): (key: string) => Buffer | undefined {
  const known = new Map<string, Buffer | undefined>();
  return (key) => {
    if (known.has(key)) return known.get(key);
    const record = readRecord(tables, key);
    known.set(key, record);
    return record;
  };
}

/** The arguments of a range, checked. */
export interface RangeQuery {
  readonly range: KeyRange;
  readonly limit: number;
  readonly revision: Revision | undefined;
  readonly count: boolean;
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is out of bounds. */
export function rangeQuery(range: KeyRange, options: RangeOptions): RangeQuery {
  const { limit = RANGE_LIMIT_MAX, revision, count = false } = options;
  requireInteger("limit", limit, 1, RANGE_LIMIT_MAX);
  if (revision !== undefined) requireInteger("revision", revision, 1, Number.MAX_SAFE_INTEGER);
  return { range, limit, revision, count };
}

/**
 * One page of a range, now or at a past revision. To be called within a snapshot.
 *
 * The past is the present with the events since then undone, so a page costs what happened since
 * its revision: cheap while paging, dear for a revision of minutes ago.
 */
export function readRange(tables: Tables, query: RangeQuery): RangePage {
  const newest = currentRevision(tables);
  const { revision = newest } = query;
  if (revision > newest) {
    throw new StoreUnavailableError(
      `Revision ${revision} is ahead of the store, which is at ${newest}.`,
      "no",
    );
  }
  requireKnown(tables, revision);
  const undone =
    revision === newest ? undefined : changedSince(tables, query.range, revision, newest);
  const page = readPage(tables, query, undone);
  return { ...page, revision };
}

/** The keys of a range that changed after a revision, with what they were at it. */
type Undone = ReadonlyMap<string, Uint8Array | undefined>;

function changedSince(
  tables: Tables,
  range: KeyRange,
  revision: Revision,
  newest: Revision,
): Undone {
  const undone = new Map<string, Uint8Array | undefined>();
  const later = { start: logKey(revision + 1, 0), end: logKey(newest + 1, 0) };
  for (const { value } of tables.log.getRange(later)) {
    for (const { key, before } of decodeLog(value)) {
      if (inRange(range, key) && !undone.has(key)) undone.set(key, before);
    }
  }
  return undone;
}

function readPage(
  tables: Tables,
  { range, limit, count }: RangeQuery,
  undone: Undone | undefined,
): Pick<RangePage, "entries" | "more" | "count"> {
  const entries: Entry[] = [];
  if (undone === undefined && count) {
    const total = countKeys(tables, range);
    for (const [key, record] of newestRecords(tables, range)) {
      if (entries.push(decodeEntry(key, record)) === limit) break;
    }
    return { entries, more: total > entries.length, count: total };
  }
  const records = undone ? pastRecords(tables, range, undone) : newestRecords(tables, range);
  let total = 0;
  for (const [key, record] of records) {
    total += 1;
    if (total <= limit) entries.push(decodeEntry(key, record));
    else if (!count) break;
  }
  return count ? { entries, more: total > limit, count: total } : { entries, more: total > limit };
}

type KeyedRecord = readonly [key: string, record: Uint8Array];

function* newestRecords({ entries }: Tables, range: KeyRange): Iterable<KeyedRecord> {
  if (isEmpty(range)) return;
  for (const { key, value } of entries.getRange(bounds(range))) yield [key, value];
}

/** Merges the newest records, without those that changed, and what the changed ones were. */
function* pastRecords(tables: Tables, range: KeyRange, undone: Undone): Iterable<KeyedRecord> {
  const past: KeyedRecord[] = [];
  for (const [key, record] of undone) if (record !== undefined) past.push([key, record]);
  past.sort(([one], [other]) => (one < other ? -1 : 1));
  let next = 0;
  for (const newest of newestRecords(tables, range)) {
    const [key] = newest;
    for (let first = past[next]; first && first[0] <= key; first = past[next]) {
      next += 1;
      yield first;
    }
    if (!undone.has(key)) yield newest;
  }
  yield* past.slice(next);
}

function countKeys({ entries }: Tables, range: KeyRange): number {
  return isEmpty(range) ? 0 : entries.getKeysCount(bounds(range));
}

/** LMDB knows no empty key, and no key of ours is below a space. */
function bounds({ start, end }: KeyRange): { start: string; end: string } {
  return { start: start === "" ? " " : start, end };
}

function isEmpty({ start, end }: KeyRange): boolean {
  return end <= start || end <= " ";
}

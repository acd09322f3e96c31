import type { Revision, WatchEvent } from "../store.ts";
import { currentRevision } from "./change.ts";
import { compactRevision } from "./reading.ts";
import { decodeLog, encodeNumber, logKey, logRevision, logTime, toEvent } from "./records.ts";
import { META, type Tables } from "./tables.ts";

/** The changes of one revision. */
export interface LoggedRevision {
  readonly revision: Revision;
  readonly events: readonly WatchEvent[];
  /** The size of its records, for those who keep it. */
  readonly bytes: number;
}

/** A read of the log ends with the revision that brings it to either of these. */
const READ_REVISIONS_MAX = 1_000;
const READ_BYTES_MAX = 1_048_576;

/** More log records than this are not kept, whatever their age. */
const HISTORY_RECORDS_MAX = 2_000_000;

/** One step of trimming ends with the revision that brings it to this many records. */
const TRIM_RECORDS_MAX = 1_000;

/** History is trimmed when some of it is this much older than asked for: rarely, and then much. */
const TRIM_SLACK = 1.1;

/** The next revisions after one, in order, a bounded number. To be called within a snapshot. */
export function readLog(tables: Tables, after: Revision): LoggedRevision[] {
  const revisions: { revision: Revision; events: WatchEvent[]; bytes: number }[] = [];
  let bytes = 0;
  for (const { key, value } of tables.log.getRange({ start: logKey(after + 1, 0) })) {
    const revision = logRevision(key);
    let last = revisions.at(-1);
    if (last?.revision !== revision) {
      if (revisions.length >= READ_REVISIONS_MAX || bytes >= READ_BYTES_MAX) break;
      last = { revision, events: [], bytes: 0 };
      revisions.push(last);
    }
    for (const change of decodeLog(value)) last.events.push(toEvent(change, revision));
    last.bytes += value.byteLength;
    bytes += value.byteLength;
  }
  return revisions;
}

/**
 * Forgets the history below `revision`, which is at most the newest: past reads and watches from
 * below are refused from now on. The records go later, step by step.
 */
export function compactHistory(tables: Tables, revision: Revision): void {
  if (revision <= compactRevision(tables)) return;
  tables.meta.putSync(META.compacted, encodeNumber(revision));
}

/** Whether there is history that should go: forgotten, older than `before`, or too much. */
export function trimIsDue(tables: Tables, now: number, historyMs: number): boolean {
  for (const { key, value } of tables.log.getRange({ limit: 1 })) {
    if (logRevision(key) <= compactRevision(tables)) return true;
    return logTime(value) < now - historyMs * TRIM_SLACK || excess(tables) > 0;
  }
  return false;
}

/**
 * Removes the oldest history, whole revisions, a bounded number, and remembers that it is gone. To
 * be called within a transaction. Returns whether there may be more to remove.
 */
export function trimHistory(tables: Tables, now: number, historyMs: number): boolean {
  const compacted = compactRevision(tables);
  const tooMany = excess(tables);
  const keys: Buffer[] = [];
  let last = 0;
  let more = false;
  for (const { key, value } of tables.log.getRange({})) {
    const revision = logRevision(key);
    if (revision !== last) {
      const goes =
        revision <= compacted || logTime(value) < now - historyMs || keys.length < tooMany;
      more = goes && keys.length >= TRIM_RECORDS_MAX;
      if (!goes || more) break;
      last = revision;
    }
    keys.push(key);
  }
  for (const key of keys) tables.log.removeSync(key);
  compactHistory(tables, Math.min(last, currentRevision(tables)));
  return more;
}

function excess({ log }: Tables): number {
  const { entryCount } = log.getStats() as { entryCount: number };
  return entryCount - HISTORY_RECORDS_MAX;
}

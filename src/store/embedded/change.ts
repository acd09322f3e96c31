import type { Write } from "../part.ts";
import type { LeaseId, Revision } from "../store.ts";
import {
  type Change,
  changeBytes,
  decodeHead,
  decodeNumber,
  encodeEntry,
  encodeLog,
  encodeNumber,
  logKey,
} from "./records.ts";
import { META, type Tables } from "./tables.ts";

/** etcd's first revision: a store without any change has it. */
export const FIRST_REVISION: Revision = 1;

/**
 * A log record is closed when it reaches this size: a revision may be of any size, a record not.
 * Small enough to be copied cheaply, large enough that a commit of many parts is a few records.
 */
const LOG_RECORD_BYTES = 12_288;

/** The newest revision. To be called within a snapshot or transaction. */
export function currentRevision({ meta }: Tables): Revision {
  return decodeNumber(meta.get(META.revision)) || FIRST_REVISION;
}

/** Reads the record of an entry. */
export type ReadRecord = (key: string) => Buffer | undefined;

/**
 * Makes `writes` at one new revision, logs them, and returns the revision the store is at then: the
 * one before when they change nothing. To be called within a transaction. `writes` name each key
 * once, and `read` tells what is there before them.
 */
export function makeChange(
  tables: Tables,
  writes: readonly Write[],
  time: number,
  read: ReadRecord = (key) => tables.entries.get(key),
): Revision {
  const before = currentRevision(tables);
  const revision = before + 1;
  const changes: Change[] = [];
  for (const write of writes) {
    const change = makeWrite(tables, write, read(write.key), revision);
    if (change !== undefined) changes.push(change);
  }
  if (changes.length === 0) return before;
  appendLog(tables, revision, time, changes);
  tables.meta.putSync(META.revision, encodeNumber(revision));
  return revision;
}

function makeWrite(
  { entries, attached }: Tables,
  write: Write,
  before: Buffer | undefined,
  revision: Revision,
): Change | undefined {
  const { key } = write;
  const head = before && decodeHead(before);
  const lease = write.op === "put" ? write.lease : undefined;
  if (head?.lease !== undefined && head.lease !== lease) {
    attached.removeSync(attachment(head.lease, key));
  }
  if (write.op === "delete") {
    if (before === undefined) return undefined;
    entries.removeSync(key);
    return { key, before, after: undefined };
  }
  const after = encodeEntry(
    {
      createRevision: head?.createRevision ?? revision,
      modRevision: revision,
      version: (head?.version ?? 0) + 1,
      lease,
    },
    write.value,
  );
  entries.putSync(key, after);
  if (lease !== undefined && head?.lease !== lease) {
    attached.putSync(attachment(lease, key), Buffer.alloc(0));
  }
  return { key, before, after };
}

/** The key in {@link Tables.attached} that says that `lease` holds `key`. */
export function attachment(lease: LeaseId, key: string): string {
  return `${lease}/${key}`;
}

function appendLog(
  { log }: Tables,
  revision: Revision,
  time: number,
  changes: readonly Change[],
): void {
  let part = 0;
  let bytes = 0;
  let record: Change[] = [];
  const close = () => {
    log.putSync(logKey(revision, part), encodeLog(time, record));
    part += 1;
    bytes = 0;
    record = [];
  };
  for (const change of changes) {
    record.push(change);
    bytes += changeBytes(change);
    if (bytes >= LOG_RECORD_BYTES) close();
  }
  if (record.length > 0) close();
}

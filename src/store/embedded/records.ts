import type { Entry, LeaseId, Revision, WatchEvent } from "../store.ts";

/**
 * How records look in the file. Numbers are big-endian doubles: exact for safe integers, and
 * positive ones sort as bytes like the numbers they are, which the keys of the log rely on.
 *
 * - entry: create revision, modification revision, version, length of the lease id, lease id, value
 * - log: wall time, then events one after the other
 * - event: key, entry after (empty when deleted), entry before (empty when there was none), each
 *   with its length in front
 * - lease: time to live and moment of the last renewal, both in milliseconds
 *
 * The log holds whole entries, before and after: reading the past undoes events, watching replays
 * them, and neither needs anything that a later commit could have changed.
 */

/** What an entry record says beside the value. */
export interface EntryHead {
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  readonly version: number;
  readonly lease: LeaseId | undefined;
}

/** One change as the log keeps it, its entries still encoded. */
export interface Change {
  readonly key: string;
  readonly after: Uint8Array | undefined;
  readonly before: Uint8Array | undefined;
}

/** A lease as it is kept. */
export interface LeaseRecord {
  readonly ttlMs: number;
  readonly renewedAt: number;
}

const NUMBER_BYTES = 8;
const LENGTH_BYTES = 4;
const LEASE_AT = 3 * NUMBER_BYTES;
const LOG_KEY_BYTES = NUMBER_BYTES + LENGTH_BYTES;

/** Encodes an entry. */
export function encodeEntry(head: EntryHead, value: Uint8Array): Buffer {
  const lease = head.lease ?? "";
  const record = Buffer.allocUnsafeSlow(LEASE_AT + 1 + lease.length + value.byteLength);
  record.writeDoubleBE(head.createRevision, 0);
  record.writeDoubleBE(head.modRevision, NUMBER_BYTES);
  record.writeDoubleBE(head.version, 2 * NUMBER_BYTES);
  record.writeUInt8(lease.length, LEASE_AT);
  record.write(lease, LEASE_AT + 1, "latin1");
  record.set(value, LEASE_AT + 1 + lease.length);
  return record;
}

/** Decodes what an entry record says beside the value. */
export function decodeHead(record: Uint8Array): EntryHead {
  const bytes = asBuffer(record);
  const leaseEnd = LEASE_AT + 1 + bytes.readUInt8(LEASE_AT);
  return {
    createRevision: bytes.readDoubleBE(0),
    modRevision: bytes.readDoubleBE(NUMBER_BYTES),
    version: bytes.readDoubleBE(2 * NUMBER_BYTES),
    lease: leaseEnd === LEASE_AT + 1 ? undefined : bytes.toString("latin1", LEASE_AT + 1, leaseEnd),
  };
}

/** Decodes an entry. Its value is a view of `record`. */
export function decodeEntry(key: string, record: Uint8Array): Entry {
  const { lease, ...head } = decodeHead(record);
  const valueAt = LEASE_AT + 1 + (lease?.length ?? 0);
  const value = new Uint8Array(
    record.buffer as ArrayBuffer,
    record.byteOffset + valueAt,
    record.byteLength - valueAt,
  );
  return lease === undefined ? { key, value, ...head } : { key, value, ...head, lease };
}

/** The key of a log record: records sort by revision, and within one by `part`. */
export function logKey(revision: Revision, part: number): Buffer {
  const key = Buffer.allocUnsafe(LOG_KEY_BYTES);
  key.writeDoubleBE(revision, 0);
  key.writeUInt32BE(part, NUMBER_BYTES);
  return key;
}

/** The revision that a log key is of. */
export function logRevision(key: Uint8Array): Revision {
  return asBuffer(key).readDoubleBE(0);
}

/** How many bytes a change takes in a log record. */
export function changeBytes({ key, after, before }: Change): number {
  return 3 * LENGTH_BYTES + key.length + (after?.byteLength ?? 0) + (before?.byteLength ?? 0);
}

/** Encodes a log record. */
export function encodeLog(time: number, changes: readonly Change[]): Buffer {
  let bytes = NUMBER_BYTES;
  for (const change of changes) bytes += changeBytes(change);
  const record = Buffer.allocUnsafeSlow(bytes);
  let at = record.writeDoubleBE(time, 0);
  for (const { key, after, before } of changes) {
    at = record.writeUInt32BE(key.length, at);
    at += record.write(key, at, "latin1");
    for (const entry of [after, before]) {
      at = record.writeUInt32BE(entry?.byteLength ?? 0, at);
      if (entry === undefined) continue;
      record.set(entry, at);
      at += entry.byteLength;
    }
  }
  return record;
}

/** The wall time at which a log record was written. */
export function logTime(record: Uint8Array): number {
  return asBuffer(record).readDoubleBE(0);
}

/** The changes of a log record. Their entries are views of it. */
export function* decodeLog(record: Uint8Array): Iterable<Change> {
  const bytes = asBuffer(record);
  let at = NUMBER_BYTES;
  const next = () => {
    const start = at + LENGTH_BYTES;
    at = start + bytes.readUInt32BE(at);
    return bytes.subarray(start, at);
  };
  while (at < bytes.byteLength) {
    const key = next().toString("latin1");
    const after = next();
    const before = next();
    yield { key, after: unlessEmpty(after), before: unlessEmpty(before) };
  }
}

/** A change of `revision` as watches deliver it. */
export function toEvent({ key, after }: Change, modRevision: Revision): WatchEvent {
  if (after === undefined) return { type: "delete", key, modRevision };
  return { type: "put", key, modRevision, entry: decodeEntry(key, after) };
}

/** Encodes a lease. */
export function encodeLease({ ttlMs, renewedAt }: LeaseRecord): Buffer {
  const record = Buffer.allocUnsafeSlow(2 * NUMBER_BYTES);
  record.writeDoubleBE(ttlMs, 0);
  record.writeDoubleBE(renewedAt, NUMBER_BYTES);
  return record;
}

/** Decodes a lease. */
export function decodeLease(record: Uint8Array): LeaseRecord {
  const bytes = asBuffer(record);
  return { ttlMs: bytes.readDoubleBE(0), renewedAt: bytes.readDoubleBE(NUMBER_BYTES) };
}

/** Encodes a number that stands alone. */
export function encodeNumber(value: number): Buffer {
  const record = Buffer.allocUnsafeSlow(NUMBER_BYTES);
  record.writeDoubleBE(value, 0);
  return record;
}

/** Decodes a number that stands alone; one that was never written is 0. */
export function decodeNumber(record: Uint8Array | undefined): number {
  return record === undefined ? 0 : asBuffer(record).readDoubleBE(0);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
}

function unlessEmpty(bytes: Uint8Array): Uint8Array | undefined {
  return bytes.byteLength === 0 ? undefined : bytes;
}

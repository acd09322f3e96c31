import { del } from "../part.ts";
import type { Lease, LeaseId } from "../store.ts";
import { attachment, makeChange } from "./change.ts";
import { decodeLease, encodeLease, type LeaseRecord } from "./records.ts";
import type { Tables } from "./tables.ts";

/**
 * # Leases
 *
 * A lease is a record of its time to live and of when it was last renewed, on the monotonic clock
 * that all processes of one boot share. So any process can tell that it is over, and whichever
 * notices first ends it; the process that asked for it is not needed.
 *
 * **After a restart of the machine** that clock begins anew. A lease renewed in the future is
 * therefore of an earlier boot, and over. Should the new boot have lasted longer than the old one
 * had when the lease was renewed, the lease lives at most one more time to live: late, never early.
 *
 * Everything here is called within a transaction, but for {@link expiredLeases}, which only reads.
 */

/** Readings of one clock by two processors may differ by a little; a boot differs by more. */
const CLOCK_SKEW_MS = 1_000;

/** No lease of ours has a longer id; text of any length may come in from outside. */
const LEASE_ID_LENGTH_MAX = 64;

/** Records a new lease. */
export function grantLease(tables: Tables, id: LeaseId, ttlMs: number, now: number): Lease {
  tables.leases.putSync(id, encodeLease({ ttlMs, renewedAt: now }));
  return { id, ttlMs };
}

/** Whether `id` is a lease that is not over, also when nobody has ended it yet. */
export function leaseLives(tables: Tables, id: LeaseId, now: number): boolean {
  const record = leaseRecord(tables, id);
  return record !== undefined && lives(record, now);
}

/** Starts the lease's time anew; false when it is over. */
export function renewLease(tables: Tables, id: LeaseId, now: number): boolean {
  const record = leaseRecord(tables, id);
  if (record === undefined || !lives(record, now)) return false;
  tables.leases.putSync(id, encodeLease({ ttlMs: record.ttlMs, renewedAt: now }));
  return true;
}

/** Ends a lease: deletes its keys at one revision, logged at `time`, and then itself. */
export function endLease(tables: Tables, id: LeaseId, time: number): void {
  if (leaseRecord(tables, id) === undefined) return;
  const start = attachment(id, "");
  const keys = [...tables.attached.getKeys({ start, end: attachment(id, "\x7f") })];
  const writes = keys.map((key) => del(key.slice(start.length)));
  makeChange(tables, writes, time);
  tables.leases.removeSync(id);
}

/** The leases that are over and not ended yet. */
export function expiredLeases(tables: Tables, now: number): LeaseId[] {
  const expired: LeaseId[] = [];
  for (const { key, value } of tables.leases.getRange({ start: " " })) {
    if (!lives(decodeLease(value), now)) expired.push(key);
  }
  return expired;
}

function leaseRecord(tables: Tables, id: LeaseId): LeaseRecord | undefined {
  if (id === "" || id.length > LEASE_ID_LENGTH_MAX) return undefined;
  const record = tables.leases.get(id);
  return record && decodeLease(record);
}

function lives({ ttlMs, renewedAt }: LeaseRecord, now: number): boolean {
  return now < renewedAt + ttlMs && now >= renewedAt - CLOCK_SKEW_MS;
}

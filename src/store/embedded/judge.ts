import { guardHolds, type Part } from "../part.ts";
import type { Entry, PartResult } from "../store.ts";
import { currentRevision, makeChange, type ReadRecord } from "./change.ts";
import { leaseLives } from "./lease.ts";
import { recordReader } from "./reading.ts";
import { decodeEntry, decodeHead } from "./records.ts";
import type { Answer } from "./requests.ts";
import type { Tables } from "./tables.ts";

/** The two clocks at the moment of a transaction: `wall` is logged, `monotonic` decides leases. */
export interface Moment {
  readonly wall: number;
  readonly monotonic: number;
}

/**
 * Judges all parts and then makes those that hold. To be called within a transaction, which it
 * leaves untouched when it fails, so that other commits of the same transaction do not notice.
 */
export function applyCommit(tables: Tables, parts: readonly Part[], moment: Moment): Answer {
  const judged = currentRevision(tables);
  // Many parts look at the same keys, and most write what they have looked at.
  const read = recordReader(tables);
  const held: Part[] = [];
  const reads = new Map<Part, (Entry | undefined)[]>();
  for (const part of parts) {
    if (holds(part, read)) held.push(part);
    else {
      const missed = (part.otherwise ?? []).map((key) => entryOf(key, read(key)));
      reads.set(part, missed);
    }
  }
  const writes = held.flatMap((part) => part.writes);
  for (const write of writes) {
    if (write.op === "delete" || write.lease === undefined) continue;
    if (leaseLives(tables, write.lease, moment.monotonic)) continue;
    return { ok: false, failure: { code: "LEASE_LOST", lease: write.lease } };
  }
  const revision = makeChange(tables, writes, moment.wall, read);
  const result = parts.map((part): PartResult => {
    const missed = reads.get(part);
    if (missed === undefined) return { applied: true, revision, reads: [] };
    return { applied: false, revision: judged, reads: missed };
  });
  return { ok: true, result };
}

function holds({ guards }: Part, read: ReadRecord): boolean {
  return guards.every((guard) => {
    const record = read(guard.key);
    return guardHolds(guard, record && decodeHead(record));
  });
}

function entryOf(key: string, record: Buffer | undefined): Entry | undefined {
  return record && decodeEntry(key, record);
}

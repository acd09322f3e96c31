import { guardHolds, type Part } from "../part.ts";
import type { Entry, PartResult } from "../store.ts";
import { currentRevision, makeChange } from "./change.ts";
import { leaseLives } from "./lease.ts";
import { readEntry } from "./reading.ts";
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
  const held = parts.filter((part) => holds(tables, part));
  const reads = new Map<Part, (Entry | undefined)[]>();
  for (const part of parts) {
    if (held.includes(part)) continue;
    reads.set(
      part,
      (part.otherwise ?? []).map((key) => readEntry(tables, key)),
    );
  }
  const writes = held.flatMap((part) => part.writes);
  for (const write of writes) {
    if (write.op === "delete" || write.lease === undefined) continue;
    if (leaseLives(tables, write.lease, moment.monotonic)) continue;
    return { ok: false, failure: { code: "LEASE_LOST", lease: write.lease } };
  }
  const revision = makeChange(tables, writes, moment.wall);
  const result = parts.map((part): PartResult => {
    const missed = reads.get(part);
    if (missed === undefined) return { applied: true, revision, reads: [] };
    return { applied: false, revision: judged, reads: missed };
  });
  return { ok: true, result };
}

function holds(tables: Tables, part: Part): boolean {
  return part.guards.every((guard) => guardHolds(guard, readEntry(tables, guard.key)));
}

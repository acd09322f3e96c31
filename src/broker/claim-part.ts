/**
 * The writes of claims, as parts of those that create and end tasks.
 *
 * A task that waits or runs and was created `unique` holds its entry under `unique/`: the commit
 * that creates it or makes it anew puts the entry where no other task holds it, and the commit that
 * ends or removes it deletes the entry. In between nobody else writes it. So an end needs no guard
 * for it, there is no time limit that could pass while the task goes on, and no entry that outlives
 * its task, whatever becomes of its workers.
 *
 * The entries of `throttle` and `debounce` are not the task's to delete: the one outlives it, the
 * other is not worth a look at every take. They say until when they mean something, a call that
 * comes later replaces them, and Beat removes them (`beat/deadlines.ts`).
 */
import { type Guard, keyUnchanged, put, type Write } from "../store/part.ts";
import type { Revision } from "../store/store.ts";
import { claimOf } from "../task/claim.ts";
import { claimDeadlineKey } from "../task/claim-keys.ts";
import { type ClaimRecord, encodeRecord, type SpecRecord } from "../task/records.ts";

/** So long after its task was due, a debounce is looked at, and again while that still waits. */
export const DEBOUNCE_LOOK_MS = 60_000;

/** What a task's claim adds to the part that creates it. */
export interface ClaimAddition {
  readonly guards: readonly Guard[];
  readonly writes: readonly Write[];
  /** The claim's key, to be read when the part is refused. */
  readonly otherwise: readonly string[];
}

const NO_CLAIM: ClaimAddition = { guards: [], writes: [], otherwise: [] };
const NOTHING = new Uint8Array();

/**
 * Takes the claim of a task that is created. Held while nobody holds it: `seen` is the revision of
 * an entry that says nothing any more, or 0 for none.
 */
export function claimAddition(spec: SpecRecord, seen: Revision): ClaimAddition {
  const key = claimOf(spec);
  if (key === undefined) return NO_CLAIM;
  const until = untilOf(spec);
  return {
    guards: [keyUnchanged(key, seen)],
    writes: claimWrites(key, { id: spec.id, ...(until === undefined ? undefined : { until }) }),
    otherwise: [key],
  };
}

/** Puts a claim, and the entry by which Beat finds it when its time is over. */
export function claimWrites(key: string, record: ClaimRecord): Write[] {
  const { until } = record;
  const entry = put(key, encodeRecord(record));
  return until === undefined ? [entry] : [entry, put(claimDeadlineKey(until, key), NOTHING)];
}

function untilOf({ createdAt, dueAt, throttle, debounce }: SpecRecord): number | undefined {
  return debounce ? (dueAt ?? createdAt) + DEBOUNCE_LOOK_MS : throttle?.until;
}

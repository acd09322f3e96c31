import { keyAbsent, type Part, put, type Write } from "../store/part.ts";
import type { PartResult, Revision } from "../store/store.ts";
import { StoreNearlyFullError } from "../store/store-errors.ts";
import { ADMISSION_KEY, deadlineKey, dueKey, readyKey, taskKey } from "../task/keyspace.ts";
import { positionOf } from "../task/position.ts";
import {
  type Counts,
  countsOf,
  encodeRecord,
  type ReadyRecord,
  type SpecRecord,
} from "../task/records.ts";
import { claimAddition } from "./claim-part.ts";

/** What became of one enqueue. */
export interface EnqueueReceipt {
  readonly id: string;
  readonly revision: Revision;
  /** False when there was a task of this id or claim already. */
  readonly created: boolean;
  /** That task runs with the input of this call. */
  readonly replaced?: boolean;
}

/**
 * Specs up to this size are copied into the ready and due indexes, so that a take or promotion
 * needs no read.
 */
export const SPEC_COPY_BYTES_MAX = 4_096;

/**
 * Creates a task: its spec, its entry in the ready or due index, one for each time by which it must
 * have been started or have ended, and its claim. Held when no task has this id yet, the store has
 * room, and nobody has the claim, of which an entry at the revision `claimSeen` may be left. Two
 * writes for most; the spec is unique to this intent because it carries the task's sequence.
 */
export function enqueuePart(spec: SpecRecord, encoded: Uint8Array, claimSeen: Revision = 0): Part {
  const key = taskKey(spec.id, "spec");
  const { dueAt } = spec;
  const value = waitingValue(spec, encoded);
  const claim = claimAddition(spec, claimSeen);
  return {
    guards: [keyAbsent(key), keyAbsent(ADMISSION_KEY), ...claim.guards],
    writes: [
      put(key, encoded),
      dueAt === undefined
        ? put(readyKey(spec.id, positionOf(spec, undefined)), value)
        : put(dueKey(dueAt, spec.id), value),
      ...deadlineWrites(spec),
      ...claim.writes,
    ],
    otherwise: [key, ...claim.otherwise],
    witness: key,
  };
}

/** The entries that let Beat find a task that was not started or has not ended in time. */
export function deadlineWrites({ id, expiresAt, deadlineAt }: SpecRecord): Write[] {
  const times = new Set([expiresAt, deadlineAt].filter((at) => at !== undefined));
  return [...times].map((at) => deadlineWrite(at, id));
}

/** The entry that has Beat look at a task when that time has passed. */
export function deadlineWrite(at: number, id: string): Write {
  return put(deadlineKey(at, id), NOTHING);
}

const NOTHING = new Uint8Array();

/**
 * Reads the answer to the {@link enqueuePart} of a task without a claim.
 *
 * @throws StoreNearlyFullError (`STORE_NEARLY_FULL`) when the store accepts no new tasks.
 */
export function receiptOf(id: string, { applied, revision, reads }: PartResult): EnqueueReceipt {
  if (applied || reads[0]) return { id, revision, created: applied };
  throw nearlyFull(id);
}

/** Why a task was not accepted, when it was neither there already nor claimed by another one. */
export function nearlyFull(id: string): StoreNearlyFullError {
  return new StoreNearlyFullError(
    `The store is nearly full, so task ${id} was not accepted. Running tasks can finish; free ` +
      "space or raise the quota (etask doctor says how full it is), then try again.",
  );
}

function waitingValue(spec: SpecRecord, encoded: Uint8Array): Uint8Array {
  return encoded.byteLength <= SPEC_COPY_BYTES_MAX ? encoded : encodeRecord(briefOf(spec));
}

/** What a taker must know of a task whose spec it has not read. */
function briefOf({ id, name, expiresAt, preempt }: ReadyBrief): ReadyBrief {
  return {
    id,
    name,
    ...(expiresAt === undefined ? undefined : { expiresAt }),
    ...(preempt === undefined ? undefined : { preempt }),
  };
}

type ReadyBrief = Pick<ReadyRecord, "id" | "name" | "expiresAt" | "preempt">;

/**
 * The ready entry of a task that has a state already, to be put at the revision of that state.
 * `spec` is copied into it when it is known and small.
 */
export function readyAgainValue(
  ready: ReadyBrief,
  counts: Counts,
  spec: SpecRecord | undefined,
): Uint8Array {
  const counted = countsOf(counts);
  if (spec !== undefined) {
    const full = encodeRecord({ ...spec, ...counted });
    if (full.byteLength <= SPEC_COPY_BYTES_MAX) return full;
  }
  return encodeRecord({ ...briefOf(ready), ...counted });
}

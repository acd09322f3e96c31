import { keyAbsent, type Part, put } from "../store/part.ts";
import type { Revision } from "../store/store.ts";
import { readyKey, taskKey } from "../task/keyspace.ts";
import { positionOf } from "../task/position.ts";
import { encodeRecord, type ReadyRecord, type SpecRecord } from "../task/records.ts";

/** What became of one enqueue. */
export interface EnqueueReceipt {
  readonly id: string;
  readonly revision: Revision;
  /** False when a task with this id existed already. */
  readonly created: boolean;
}

/** Specs up to this size are copied into the ready index, so that a take needs no read. */
export const SPEC_COPY_BYTES_MAX = 4_096;

/**
 * Creates a task: its spec and its entry in the ready index. Held when no task has this id yet.
 * Two writes; the spec is unique to this intent because it carries the task's sequence.
 */
export function enqueuePart(spec: SpecRecord, encoded: Uint8Array): Part {
  const key = taskKey(spec.id, "spec");
  return {
    guards: [keyAbsent(key)],
    writes: [
      put(key, encoded),
      put(readyKey(spec.id, positionOf(spec, undefined)), firstReadyValue(spec, encoded)),
    ],
    witness: key,
  };
}

function firstReadyValue({ id, name }: SpecRecord, encoded: Uint8Array): Uint8Array {
  return encoded.byteLength <= SPEC_COPY_BYTES_MAX ? encoded : encodeRecord({ id, name });
}

/**
 * The ready entry of a task that has a state already, to be put at the revision of that state.
 * `spec` is copied into it when it is known and small.
 */
export function readyAgainValue(
  ready: Pick<ReadyRecord, "id" | "name">,
  attempt: number,
  lost: number,
  spec: SpecRecord | undefined,
): Uint8Array {
  const counts = { attempt, ...(lost > 0 ? { lost } : undefined) };
  if (spec !== undefined) {
    const full = encodeRecord({ ...spec, ...counts });
    if (full.byteLength <= SPEC_COPY_BYTES_MAX) return full;
  }
  return encodeRecord({ id: ready.id, name: ready.name, ...counts });
}

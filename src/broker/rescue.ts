import { del, keyAbsent, keyUnchanged, type Part, put, type Write } from "../store/part.ts";
import type { Entry } from "../store/store.ts";
import type { TaskFailure } from "../task/failure.ts";
import { readyKey, taskKey, workerKey } from "../task/keyspace.ts";
import { positionOf } from "../task/position.ts";
import { encodeRecord, type SpecRecord, type StateRecord } from "../task/records.ts";
import { readyAgainValue } from "./enqueue.ts";
import { expireWrite, finalState } from "./finish.ts";

/** A task whose worker vanished this often is taken to be the cause, and fails. */
export const LOST_WORKERS_MAX = 3;

/** What {@link rescuePart} needs to know. */
export interface RescueFacts {
  readonly at: number;
  /** The worker that rescues. */
  readonly by: string;
  readonly failedMs: number;
}

/**
 * Puts the running task of a vanished worker back to its old place in the queue, or fails it when
 * it has cost {@link LOST_WORKERS_MAX} workers. Held when the worker is gone and the task still
 * runs under it; any number of rescuers may try.
 */
export function rescuePart(
  stateEntry: Entry,
  state: StateRecord,
  spec: SpecRecord,
  facts: RescueFacts,
): { part: Part; state: "pending" | "failed" } {
  const from = state.worker as string;
  const lost = (state.lost ?? 0) + 1;
  const next: StateRecord = { ...state, lost, at: facts.at, by: facts.by };
  const part = (after: StateRecord, write: Write): Part => ({
    guards: [keyAbsent(workerKey(from)), keyUnchanged(stateEntry.key, stateEntry.modRevision)],
    writes: [put(stateEntry.key, encodeRecord(after)), write],
    witness: stateEntry.key,
  });
  if (lost >= LOST_WORKERS_MAX) {
    const error = workerLost(from, lost);
    const failed = finalState({ ...next, error }, "failed", facts.at, facts.failedMs);
    return { part: part(failed, expireWrite(spec.id, failed)), state: "failed" };
  }
  const position = positionOf(spec, state);
  const value = readyAgainValue(spec, { ...state, lost }, spec);
  const pending: StateRecord = { ...next, state: "pending", ...position };
  return { part: part(pending, put(readyKey(spec.id, position), value)), state: "pending" };
}

function workerLost(worker: string, lost: number): TaskFailure {
  return {
    name: "WorkerLostError",
    code: "WORKER_LOST",
    message:
      `${lost} workers vanished while they ran this task, the last one was ${worker}. ` +
      "It is not tried again, because it may be what ends them.",
  };
}

/** Forgets what a vanished worker took in one batch, once nothing of it is running any more. */
export function forgetHandPart(key: string, worker: string): Part {
  return { guards: [keyAbsent(workerKey(worker))], writes: [del(key)] };
}

/** Why a task without a readable spec fails. */
export function specDamaged(id: string): TaskFailure {
  return {
    name: "RecordMalformedError",
    code: "RECORD_MALFORMED",
    message: `The record ${taskKey(id, "spec")} is missing or damaged.`,
  };
}

/** Fails a running task whose spec is missing or damaged, so that it does not run for ever. */
export function orphanPart(
  stateEntry: Entry,
  id: string,
  state: StateRecord,
  facts: RescueFacts,
): Part {
  const error = specDamaged(id);
  const failed = finalState({ ...state, error }, "failed", facts.at, facts.failedMs);
  return {
    guards: [
      keyAbsent(workerKey(state.worker as string)),
      keyUnchanged(stateEntry.key, stateEntry.modRevision),
    ],
    writes: [put(stateEntry.key, encodeRecord(failed)), expireWrite(id, failed)],
    witness: stateEntry.key,
  };
}

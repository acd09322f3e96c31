import {
  del,
  keyAbsent,
  keyPresent,
  keyUnchanged,
  type Part,
  put,
  type Write,
} from "../store/part.ts";
import type { Entry } from "../store/store.ts";
import type { TaskFailure } from "../task/failure.ts";
import { readyKey, taskKey, workerKey } from "../task/keyspace.ts";
import { DEFAULT_QUEUE } from "../task/names.ts";
import { positionOf } from "../task/position.ts";
import {
  type AttemptRecord,
  cancelFacts,
  encodeRecord,
  type StateRecord,
} from "../task/records.ts";
import type { StoredTask } from "../task/task-reader.ts";
import { readyAgainValue } from "./enqueue.ts";
import {
  acknowledgeWrites,
  attemptWrite,
  endWrites,
  type FinalRecord,
  finalState,
  specBytes,
} from "./finish.ts";

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
 * Puts the running task of a vanished worker back to its old place in the queue, fails it when it
 * has cost {@link LOST_WORKERS_MAX} workers, or cancels it when somebody wanted that. Held when the
 * worker is gone, the task still runs under it and the wish is as it was read; any number of
 * rescuers may try.
 */
export function rescuePart(
  stateEntry: Pick<Entry, "key" | "modRevision">,
  state: StateRecord,
  { spec, cancel, attempts }: Pick<StoredTask, "spec" | "cancel" | "attempts">,
  facts: RescueFacts,
): { part: Part; state: "pending" | "failed" | "cancelled" } {
  const from = state.worker as string;
  const lost = (state.lost ?? 0) + 1;
  // Whether it logged is known to nobody any more.
  const next: StateRecord = { ...state, lost, logged: 1, at: facts.at, by: facts.by };
  const cancelKey = taskKey(spec.id, "cancel");
  const part = (writes: readonly Write[]): Part => ({
    guards: [
      keyAbsent(workerKey(from)),
      keyUnchanged(stateEntry.key, stateEntry.modRevision),
      cancel ? keyPresent(cancelKey) : keyAbsent(cancelKey),
    ],
    writes,
    witness: stateEntry.key,
  });
  const position = positionOf(spec, state);
  const task = { ...spec, queue: position.queue };
  const end = (final: FinalRecord) => endWrites(task, final, specBytes(spec), state.attempt - 1);
  if (cancel) {
    const ending: StateRecord = { ...next, cancel: cancelFacts(cancel) };
    const final = finalState(ending, "cancelled", facts.at, facts.failedMs);
    const answered = acknowledgeWrites(spec.id, from);
    return { part: part([...end(final), ...answered]), state: "cancelled" };
  }
  if (lost >= LOST_WORKERS_MAX) {
    const error = workerLost(lostWorkers(attempts, from), lost);
    const failing: StateRecord = { ...next, error, reason: "worker-lost" };
    return {
      part: part(end(finalState(failing, "failed", facts.at, facts.failedMs))),
      state: "failed",
    };
  }
  const value = readyAgainValue(spec, next, spec);
  const pending: StateRecord = { ...next, state: "pending", ...position };
  return {
    part: part([
      put(stateEntry.key, encodeRecord(pending)),
      put(readyKey(spec.id, position), value),
      attemptWrite(spec.id, state, facts.at, "worker-lost"),
    ]),
    state: "pending",
  };
}

/** The workers that the task cost, the last one at the end. */
function lostWorkers(attempts: readonly AttemptRecord[], last: string): readonly string[] {
  const earlier = attempts.filter(({ outcome }) => outcome === "worker-lost");
  return [...earlier.map(({ worker }) => worker), last].slice(-LOST_WORKERS_MAX);
}

function workerLost(workers: readonly string[], lost: number): TaskFailure {
  return {
    name: "WorkerLostError",
    code: "WORKER_LOST",
    message:
      `${lost} workers vanished while they ran this task, the last ones: ${workers.join(", ")}. ` +
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
  stateEntry: Pick<Entry, "key" | "modRevision">,
  id: string,
  state: StateRecord,
  facts: RescueFacts,
): Part {
  const error = specDamaged(id);
  const failing: StateRecord = { ...state, logged: 1, error, reason: "invalid" };
  const failed = finalState(failing, "failed", facts.at, facts.failedMs);
  const task = { id, name: "unknown", queue: state.queue ?? DEFAULT_QUEUE };
  return {
    guards: [
      keyAbsent(workerKey(state.worker as string)),
      keyUnchanged(stateEntry.key, stateEntry.modRevision),
    ],
    writes: endWrites(task, failed, 0, state.attempt - 1),
    witness: stateEntry.key,
  };
}

/**
 * Tasks that have ended, run once more: a new generation of the same id.
 *
 * One part, held while spec and state are as they were read, puts the task back to the end of its
 * queue: it gets its attempts, its time limit and its count of lost workers anew, the attempts go
 * on counting, what is known of the earlier ones stays. So of any number of callers one wins, and
 * the others see a task that has not ended. A unique task takes its key again, if nobody has it. A
 * wish to cancel that came too late for the old generation is not one to cancel the new.
 */
import { del, type Part, put, type Write } from "../store/part.ts";
import type { Revision } from "../store/store.ts";
import { endingDeletes, taskAsRead } from "../task/change.ts";
import { currentState } from "../task/current.ts";
import { TaskNotEndedError } from "../task/failure.ts";
import { taskKey } from "../task/keyspace.ts";
import { positionOf } from "../task/position.ts";
import {
  type AttemptOutcome,
  countsOf,
  encodeRecord,
  type SpecRecord,
  type StateRecord,
} from "../task/records.ts";
import { isFinal } from "../task/state.ts";
import type { StoredTask } from "../task/task-reader.ts";
import { claimAddition } from "./claim-part.ts";
import { type Edit, movedTo, specWith, waitingState, waitingWrite } from "./edit.ts";
import { deadlineWrites } from "./enqueue.ts";
import { attemptWrite } from "./finish.ts";

/** When and where the new generation begins. */
export interface RedriveFacts {
  readonly at: number;
  /** A fresh ULID: its place in the queue. */
  readonly sequence: string;
  /** Of what is left at the claim of a unique task, see `requireFree`. */
  readonly claimSeen: Revision;
}

/**
 * Makes a task that has ended anew.
 *
 * @throws TaskNotEndedError (`TASK_NOT_ENDED`) when it waits or runs.
 */
export function redrivePart(task: StoredTask, edit: Edit, facts: RedriveFacts): Part {
  const { id } = task.spec;
  const ended = currentState(task.spec, task.state);
  if (!isFinal(ended.state)) {
    throw new TaskNotEndedError(
      `Task ${id} is ${ended.state}; only a task that has ended can be retried. Nothing was changed.`,
    );
  }
  const { at, sequence, claimSeen } = facts;
  const dueAt = edit.dueAt !== undefined && edit.dueAt > at ? edit.dueAt : undefined;
  const spec = nextSpec(task.spec, edit, dueAt ?? at);
  const place = { ...positionOf(task.spec, ended), ...movedTo(edit), sequence };
  const next = waitingState({ ...nextCounts(ended), state: "pending", at, ...place }, dueAt, at);
  const claim = claimAddition(spec, claimSeen);
  const stateKey = taskKey(id, "state");
  return {
    guards: [...taskAsRead(task), ...claim.guards],
    writes: [
      put(taskKey(id, "spec"), encodeRecord(spec)),
      put(stateKey, encodeRecord(next)),
      waitingWrite(spec, next),
      ...deadlineWrites(spec),
      ...lastAttempt(task, ended),
      del(taskKey(id, "cancel")),
      ...endingDeletes(task.spec, ended),
      ...claim.writes,
    ],
    witness: stateKey,
  };
}

/** Nothing of the old generation counts against the new one. */
function nextCounts({ attempt, generation = 1, logged = 0 }: StateRecord) {
  return countsOf({ attempt, spent: attempt, generation: generation + 1, logged });
}

/**
 * The spec of the next generation: its time limit starts anew, the time to be started is gone, and
 * of its claims only the one that lasts as long as a task does.
 */
function nextSpec(spec: SpecRecord, { input }: Edit, readyAt: number): SpecRecord {
  const { dueAt: _due, expiresAt: _expires, deadlineAt: _deadline, ...kept } = spec;
  const { throttle: _throttle, debounce: _debounce, ...rest } = kept;
  const next = input === undefined ? rest : specWith(rest, input.value);
  const { totalMs } = next;
  return totalMs === undefined ? next : { ...next, deadlineAt: readyAt + totalMs };
}

/** The last attempt was told by the state alone. */
function lastAttempt({ spec, attempts }: StoredTask, ended: StateRecord): Write[] {
  const { attempt, worker, takenAt, error } = ended;
  if (attempt === 0 || worker === undefined || takenAt === undefined) return [];
  if (attempts.at(-1)?.attempt === attempt) return [];
  return [attemptWrite(spec.id, ended, ended.at, outcomeOf(ended), error)];
}

function outcomeOf({ state, reason }: StateRecord): AttemptOutcome {
  if (state === "succeeded" || state === "cancelled") return state;
  return reason === "timeout" || reason === "worker-lost" ? reason : "failed";
}

/** Changes of a task by somebody who does not run it: read, decide, commit what holds as read. */
import { del, type Guard, keyUnchanged, type Part, type Write } from "../store/part.ts";
import type { Revision, Store } from "../store/store.ts";
import { uniqueDeletes } from "./claim.ts";
import { currentState } from "./current.ts";
import { TaskEndedError, TaskNotFoundError, TaskRunningError } from "./failure.ts";
import {
  attemptKeys,
  deadlineKey,
  dueKey,
  expireKey,
  failedKey,
  readyKey,
  taskKey,
} from "./keyspace.ts";
import { logKeys } from "./log-keys.ts";
import { positionOf } from "./position.ts";
import type { SpecRecord, StateRecord } from "./records.ts";
import { isFinal } from "./state.ts";
import { readTask, type StoredTask, type TaskRecords } from "./task-reader.ts";

/** Each try that fails is one that somebody else won, so this bounds how many may contend. */
const TRIES_MAX = 200;

/** A task's spec and state as they were read together. */
export interface TaskSnapshot {
  readonly spec: SpecRecord;
  readonly state: StateRecord | undefined;
  /** 0 when there is no state yet. */
  readonly stateRevision: Revision;
}

/** Holds while the task's state is as it was read. */
export function stateAsRead({ spec, stateRevision }: TaskSnapshot): Guard {
  return keyUnchanged(taskKey(spec.id, "state"), stateRevision);
}

/**
 * Hold while a task is as it was read. Whoever moves a waiting task or takes it writes its state,
 * so its entry in the ready or due index is where spec and state say, too.
 */
export function taskAsRead(task: StoredTask): Guard[] {
  return [keyUnchanged(taskKey(task.spec.id, "spec"), task.specRevision), stateAsRead(task)];
}

/** Hold while a task, or what there is of one, is as it was read. */
export function recordsAsRead({ id, specRevision, stateRevision }: TaskRecords): Guard[] {
  return [
    keyUnchanged(taskKey(id, "spec"), specRevision),
    keyUnchanged(taskKey(id, "state"), stateRevision),
  ];
}

/** The key under which a waiting task stands in the ready or due index. */
export function waitingKey(spec: SpecRecord, state: StateRecord): string {
  const due = state.state === "scheduled" ? state.dueAt : undefined;
  return due === undefined ? readyKey(spec.id, positionOf(spec, state)) : dueKey(due, spec.id);
}

/** What is to be done about a task as it was read: a part to commit, or nothing. */
export interface Decision<T> {
  readonly part?: Part;
  /** The answer, once the part has been applied. */
  readonly answer: T;
}

/** An answer and the revision at which it was so. */
export interface Decided<T> {
  readonly answer: T;
  readonly revision: Revision;
}

/**
 * Reads a task, lets `decide` make a part of it and commits that, again while somebody else is
 * faster.
 *
 * @throws TaskNotFoundError (`TASK_NOT_FOUND`), and what `decide` throws.
 * @throws TaskRunningError (`TASK_RUNNING`) when the task changed under every one of 200 tries.
 */
export async function changeTask<T>(
  store: Store,
  id: string,
  decide: (task: StoredTask) => Decision<T> | Promise<Decision<T>>,
): Promise<Decided<T>> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const task = await readTask(store, id);
    if (!task) throw new TaskNotFoundError(id);
    const { part, answer } = await decide(task);
    if (!part) return { answer, revision: task.readRevision };
    const [result] = await store.commit([part]);
    if (result?.applied) return { answer, revision: result.revision };
  }
  throw new TaskRunningError(`Task ${id} kept changing; it is in use. Try again later.`);
}

/**
 * The state of a task that waits.
 *
 * @throws TaskRunningError (`TASK_RUNNING`) or TaskEndedError (`TASK_ENDED`) when it does not.
 */
export function requireWaiting({ spec, state }: TaskSnapshot): StateRecord {
  const current = currentState(spec, state);
  if (current.state === "running") {
    throw new TaskRunningError(
      `Task ${spec.id} is running; only a waiting task can be edited. Nothing was changed.`,
    );
  }
  if (!isFinal(current.state)) return current;
  throw new TaskEndedError(
    `Task ${spec.id} has ended as ${current.state}; only a waiting task can be edited. ` +
      "Nothing was changed.",
  );
}

/**
 * Removes a task that waits or has ended, with all that is known of it. Removing a task that does
 * not exist is no error; the answer says whether there was one.
 *
 * @throws TaskRunningError (`TASK_RUNNING`) while it runs.
 */
export async function removeTask(store: Store, id: string): Promise<boolean> {
  try {
    await changeTask(store, id, (task) => {
      if (task.state?.state !== "running") return { part: removePart(task), answer: true };
      throw new TaskRunningError(`Task ${id} is running; a running task cannot be removed.`);
    });
    return true;
  } catch (error) {
    if (error instanceof TaskNotFoundError) return false;
    throw error;
  }
}

/** Removes a task that waits or has ended, with all its keys. Held while it is as it was read. */
export function removePart(task: StoredTask): Part {
  const { spec } = task;
  const { id } = spec;
  const state = currentState(spec, task.state);
  return {
    guards: taskAsRead(task),
    writes: [
      del(taskKey(id, "spec")),
      del(taskKey(id, "state")),
      del(taskKey(id, "progress")),
      del(taskKey(id, "cancel")),
      ...attemptKeys(id, state.attempt).map(del),
      ...(state.logged ? logKeys(id).map(del) : []),
      ...(isFinal(state.state) ? endingDeletes(spec, state) : waitingDeletes(spec, state)),
      ...deadlineDeletes(task),
    ],
  };
}

/** Deletes the index entry of a task that waits, and the key that is its alone while it does. */
function waitingDeletes(spec: SpecRecord, state: StateRecord): Write[] {
  return [del(waitingKey(spec, state)), ...uniqueDeletes(spec)];
}

/** Deletes the index entries of a task that has ended. */
export function endingDeletes(spec: SpecRecord, state: StateRecord): Write[] {
  const { queue } = positionOf(spec, state);
  return [
    ...(state.expireAt === undefined ? [] : [del(expireKey(state.expireAt, spec.id))]),
    ...(state.state === "failed" ? [del(failedKey(queue, state.at, spec.id))] : []),
  ];
}

/** Deletes the entries that let Beat look after a task; one that it has moved drops itself. */
export function deadlineDeletes({ spec, cancel }: StoredTask): Write[] {
  const times = [spec.expiresAt, spec.deadlineAt, cancel && cancel.at + cancel.graceMs];
  const known = new Set(times.filter((at) => at !== undefined));
  return [...known].map((at) => del(deadlineKey(at, spec.id)));
}

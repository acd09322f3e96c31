/** Changes of a task by somebody who does not run it: read, decide, commit what holds as read. */
import { del, type Guard, keyPresent, keyUnchanged, type Part } from "../store/part.ts";
import type { Revision, Store } from "../store/store.ts";
import { TaskNotFoundError, TaskRunningError } from "./failure.ts";
import { dueKey, expireKey, readyKey, taskKey } from "./keyspace.ts";
import { positionOf } from "./position.ts";
import type { SpecRecord, StateRecord } from "./records.ts";
import { readTask, type StoredTask } from "./task-reader.ts";

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
 * Reads a task, lets `build` make a part of it and commits that, again while somebody else is
 * faster.
 *
 * @throws TaskNotFoundError (`TASK_NOT_FOUND`), and what `build` throws.
 * @throws TaskRunningError (`TASK_RUNNING`) when the task changed under every one of 200 tries.
 */
export async function changeTask(
  store: Store,
  id: string,
  build: (task: StoredTask) => Part,
): Promise<void> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const task = await readTask(store, id);
    if (!task) throw new TaskNotFoundError(id);
    const [result] = await store.commit([build(task)]);
    if (result?.applied) return;
  }
  throw new TaskRunningError(`Task ${id} kept changing; it is in use. Try again later.`);
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
      if (task.state?.state !== "running") return removePart(task);
      throw new TaskRunningError(`Task ${id} is running; a running task cannot be removed.`);
    });
    return true;
  } catch (error) {
    if (error instanceof TaskNotFoundError) return false;
    throw error;
  }
}

/**
 * Removes a task that waits or has ended, with all its keys. Held while it is as it was read.
 */
export function removePart(task: TaskSnapshot): Part {
  const { spec, state } = task;
  const { id } = spec;
  const waits = state === undefined || state.state === "pending";
  const readyAt = readyKey(id, positionOf(spec, state));
  return {
    guards: [
      keyPresent(taskKey(id, "spec")),
      stateAsRead(task),
      ...(waits ? [keyPresent(readyAt)] : []),
    ],
    writes: [
      del(taskKey(id, "spec")),
      del(taskKey(id, "state")),
      del(taskKey(id, "progress")),
      ...(waits ? [del(readyAt)] : []),
      ...(state?.dueAt === undefined ? [] : [del(dueKey(state.dueAt, id))]),
      ...(state?.expireAt === undefined ? [] : [del(expireKey(state.expireAt, id))]),
    ],
  };
}

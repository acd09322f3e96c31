import { del, type Guard, keyUnchanged, type Part, put } from "../store/part.ts";
import type { Entry } from "../store/store.ts";
import { recordsAsRead, stateAsRead, type TaskSnapshot } from "../task/change.ts";
import { readyKey, taskKey } from "../task/keyspace.ts";
import { DEFAULT_QUEUE } from "../task/names.ts";
import { positionOf } from "../task/position.ts";
import { encodeRecord, type StateRecord } from "../task/records.ts";
import type { TaskRecords } from "../task/task-reader.ts";
import { readyAgainValue } from "./enqueue.ts";
import { endWrites, finalState } from "./finish.ts";
import { specDamaged } from "./rescue.ts";

/**
 * Makes a task whose time has come ready. Held while the due entry and the state are as they were
 * read; any number of promoters may try.
 */
export function promotePart(due: Entry, task: TaskSnapshot, at: number): Part {
  const { spec, state } = task;
  const { dueAt: _past, ...rest } = state ?? { attempt: 0 };
  const position = positionOf(spec, state);
  const next: StateRecord = { ...rest, state: "pending", at, ...position };
  const stateKey = taskKey(spec.id, "state");
  return {
    guards: [keyUnchanged(due.key, due.modRevision), stateAsRead(task)],
    writes: [
      del(due.key),
      put(stateKey, encodeRecord(next)),
      put(readyKey(spec.id, position), readyAgainValue(spec, next, spec)),
    ],
    witness: stateKey,
  };
}

/**
 * Fails a task whose time has come and whose spec is missing or damaged, so that it does not wait
 * for ever. Held while the due entry and the task are as they were read.
 */
export function failDuePart(
  due: Entry,
  read: TaskRecords,
  { dueAt: _past, ...state }: StateRecord,
  { at, failedMs }: { at: number; failedMs: number },
): Part {
  const { id } = read;
  const error = specDamaged(id);
  const failed = finalState({ ...state, error, reason: "invalid" }, "failed", at, failedMs);
  const task = { id, name: "unknown", queue: state.queue ?? DEFAULT_QUEUE };
  return {
    guards: asRead(due, read),
    writes: [del(due.key), ...endWrites(task, failed, 0, state.attempt)],
    witness: taskKey(id, "state"),
  };
}

/**
 * Drops a due entry whose task is gone or waits no longer. Held while entry and task are as they
 * were read: a read may be old, and show a task as it was before it had to wait.
 */
export function dropDuePart(due: Entry, read: TaskRecords): Part {
  return { guards: asRead(due, read), writes: [del(due.key)] };
}

function asRead(due: Entry, read: TaskRecords): Guard[] {
  return [keyUnchanged(due.key, due.modRevision), ...recordsAsRead(read)];
}

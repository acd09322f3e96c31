import { del, keyUnchanged, type Part, put } from "../store/part.ts";
import type { Entry } from "../store/store.ts";
import { stateAsRead, type TaskSnapshot } from "../task/change.ts";
import { readyKey, taskKey } from "../task/keyspace.ts";
import { DEFAULT_QUEUE } from "../task/names.ts";
import { positionOf } from "../task/position.ts";
import { encodeRecord, type StateRecord } from "../task/records.ts";
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
 * for ever. Held while the due entry and the state are as they were read.
 */
export function failDuePart(
  due: Entry,
  stateEntry: Entry,
  { dueAt: _past, ...state }: StateRecord,
  { id, at, failedMs }: { id: string; at: number; failedMs: number },
): Part {
  const error = specDamaged(id);
  const failed = finalState({ ...state, error, reason: "invalid" }, "failed", at, failedMs);
  const task = { id, name: "unknown", queue: state.queue ?? DEFAULT_QUEUE };
  return {
    guards: [
      keyUnchanged(due.key, due.modRevision),
      keyUnchanged(stateEntry.key, stateEntry.modRevision),
    ],
    writes: [del(due.key), ...endWrites(task, failed, 0, state.attempt)],
    witness: stateEntry.key,
  };
}

/** Drops a due entry whose task is gone or waits no longer. */
export function dropDuePart(due: Entry): Part {
  return { guards: [keyUnchanged(due.key, due.modRevision)], writes: [del(due.key)] };
}

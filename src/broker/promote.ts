import { del, keyUnchanged, type Part, put } from "../store/part.ts";
import type { Entry } from "../store/store.ts";
import { stateAsRead, type TaskSnapshot } from "../task/change.ts";
import { readyKey, taskKey } from "../task/keyspace.ts";
import { positionOf } from "../task/position.ts";
import { encodeRecord, type StateRecord } from "../task/records.ts";
import { readyAgainValue } from "./enqueue.ts";

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
      put(readyKey(spec.id, position), readyAgainValue(spec, next.attempt, next.lost ?? 0, spec)),
    ],
    witness: stateKey,
  };
}

/** Drops a due entry whose task is gone or waits no longer. */
export function dropDuePart(due: Entry): Part {
  return { guards: [keyUnchanged(due.key, due.modRevision)], writes: [del(due.key)] };
}

import { del, keyPresent, type Part, put } from "../store/part.ts";
import { stateAsRead, type TaskSnapshot } from "../task/change.ts";
import { type ReadyPosition, readyKey, taskKey } from "../task/keyspace.ts";
import { positionOf } from "../task/position.ts";
import { encodeRecord, type StateRecord } from "../task/records.ts";
import { readyAgainValue } from "./enqueue.ts";

/** Where a waiting task is to stand; what is left out stays. */
export interface MoveOptions {
  readonly queue?: string;
  readonly priority?: number;
}

/**
 * Moves a pending task to another queue or priority. Held while it is as it was read and still
 * waits. It keeps its place in time, so among its new equals the older task still goes first.
 */
export function movePart(task: TaskSnapshot, move: MoveOptions, at: number): Part {
  const { spec, state } = task;
  const from = positionOf(spec, state);
  const to: ReadyPosition = { ...from, ...move };
  const stateKey = taskKey(spec.id, "state");
  const next: StateRecord = { ...(state ?? { attempt: 0 }), state: "pending", at, ...to };
  const fromKey = readyKey(spec.id, from);
  const toKey = readyKey(spec.id, to);
  return {
    guards: [keyPresent(fromKey), stateAsRead(task)],
    writes: [
      ...(fromKey === toKey ? [] : [del(fromKey)]),
      put(toKey, readyAgainValue(spec, next, spec)),
      put(stateKey, encodeRecord(next)),
    ],
    witness: stateKey,
  };
}

import { del, type Guard, keyAbsent, keyUnchanged, type Part, put } from "../store/part.ts";
import type { PartResult, Revision } from "../store/store.ts";
import type { Attempt } from "../task/attempt.ts";
import { handKey, type ReadyPosition, taskKey } from "../task/keyspace.ts";
import {
  countsOf,
  encodeRecord,
  type HandRecord,
  type ReadyRecord,
  type StateRecord,
} from "../task/records.ts";

/** An entry of the ready index, read. */
export interface ReadyEntry {
  readonly key: string;
  readonly modRevision: Revision;
  readonly record: ReadyRecord;
  /** What the key says. */
  readonly position: ReadyPosition;
}

/** Who takes, and under which guard. */
export interface Taker {
  readonly worker: string;
  readonly alive: Guard;
}

/** A batch to commit, and how to read the answer. */
export interface TakeBatch {
  readonly parts: readonly Part[];
  /** The attempts that the taker now holds. */
  attempts(results: readonly PartResult[]): Attempt[];
}

/**
 * Takes ready tasks for a worker, each on its own: the ready entry goes, the state becomes running,
 * the attempt is counted. One more part notes the batch under `hand/`, so that a rescuer finds what
 * this worker had.
 *
 * Guards: the ready entry as it was seen, the state as it was when that entry was written (both
 * were written at one revision, or there is no state yet), the worker's session alive. So a worker
 * without a session takes nothing, and after its key is gone `hand/{worker}/` is complete.
 */
export function takeBatch(
  taker: Taker,
  batch: number,
  entries: readonly ReadyEntry[],
  at: number,
): TakeBatch {
  const states = entries.map((entry) => runningState(taker.worker, batch, entry, at));
  const hand: Part = {
    guards: [taker.alive, keyAbsent(handKey(taker.worker, batch))],
    writes: [put(handKey(taker.worker, batch), encodeRecord(handOf(entries)))],
    witness: handKey(taker.worker, batch),
  };
  const takes = entries.map((entry, index) => takePart(taker, entry, states[index] as StateRecord));
  return {
    parts: [hand, ...takes],
    attempts: (results) =>
      entries.flatMap(({ record, position }, index) => {
        const result = results[index + 1];
        const state = states[index];
        if (!result?.applied || !state) return [];
        return [{ id: record.id, fence: result.revision, state, ready: record, position }];
      }),
  };
}

function handOf(entries: readonly ReadyEntry[]): HandRecord {
  const queues = new Map<string, string[]>();
  for (const { position, record } of entries) {
    const ids = queues.get(position.queue) ?? [];
    ids.push(record.id);
    queues.set(position.queue, ids);
  }
  return { queues: Object.fromEntries(queues) };
}

function runningState(
  worker: string,
  hand: number,
  { record, position }: ReadyEntry,
  at: number,
): StateRecord {
  // A task that waits for the first time stands where its spec says; else the state remembers.
  const moved = record.attempt === undefined ? undefined : position;
  const counts = countsOf(record);
  return {
    state: "running",
    ...counts,
    attempt: counts.attempt + 1,
    worker,
    hand,
    takenAt: at,
    at,
    ...moved,
  };
}

function takePart(
  taker: Taker,
  { key, modRevision, record }: ReadyEntry,
  state: StateRecord,
): Part {
  const stateKey = taskKey(record.id, "state");
  return {
    guards: [
      taker.alive,
      keyUnchanged(key, modRevision),
      keyUnchanged(stateKey, record.attempt === undefined ? 0 : modRevision),
    ],
    writes: [del(key), put(stateKey, encodeRecord(state))],
    witness: stateKey,
  };
}

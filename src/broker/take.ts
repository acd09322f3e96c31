import { del, type Guard, keyAbsent, keyUnchanged, type Part, put } from "../store/part.ts";
import type { Entry, PartResult, Revision } from "../store/store.ts";
import type { Attempt } from "../task/attempt.ts";
import { handKey, queueKey, type ReadyPosition, taskKey } from "../task/keyspace.ts";
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
  /** Its size, which is about that of the task's spec when that is small. */
  readonly bytes: number;
  /** What the key says. */
  readonly position: ReadyPosition;
}

/** Whether the task must have been started before `now`, and was not: it is Beat's to end. */
export function isTooLate({ record }: ReadyEntry, now: number): boolean {
  const expiresAt = record.spec?.expiresAt ?? record.expiresAt;
  return expiresAt !== undefined && expiresAt <= now && !record.attempt && !record.snoozed;
}

/** Whether a worker whose host has no room any more may give the task back while it runs. */
export function isPreemptible({ preempt, spec }: ReadyRecord): boolean {
  return (spec?.preempt ?? preempt) === true;
}

/** Who takes, and under which guard. */
export interface Taker {
  readonly worker: string;
  readonly alive: Guard;
  /** The revision of a queue's settings under which it takes; 0 when there are none. */
  settingsRevision(queue: string): Revision;
}

/** A task that was not taken because the settings of its queue had changed; it waits as before. */
export interface HeldBack {
  readonly entry: ReadyEntry;
  /** The settings as they are. */
  readonly settings: Entry | undefined;
  /** When that was. */
  readonly revision: Revision;
}

/** A batch to commit, and how to read the answer. */
export interface TakeBatch {
  readonly parts: readonly Part[];
  /** The attempts that the taker now holds. */
  attempts(results: readonly PartResult[]): Attempt[];
  /** The tasks that are still to be had, once the taker has looked at the settings of the queue. */
  heldBack(results: readonly PartResult[]): HeldBack[];
}

/**
 * Takes ready tasks for a worker, each on its own: the ready entry goes, the state becomes running,
 * the attempt is counted. One more part notes the batch under `hand/`, so that a rescuer finds what
 * this worker had.
 *
 * Guards: the ready entry as it was seen, the state as it was when that entry was written (both
 * were written at one revision, or there is no state yet), the worker's session alive, the settings
 * of the queue as the worker knows them. So a worker without a session takes nothing, after its key
 * is gone `hand/{worker}/` is complete, and from the revision of a pause on nothing is taken.
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
  const settings = entries.map(({ position }) => taker.settingsRevision(position.queue));
  const takes = entries.map((entry, index) =>
    takePart(taker, entry, states[index] as StateRecord, settings[index] as Revision),
  );
  return {
    parts: [hand, ...takes],
    attempts: (results) =>
      entries.flatMap(({ record, position, bytes }, index) => {
        const result = results[index + 1];
        const state = states[index];
        if (!result?.applied || !state) return [];
        return [{ id: record.id, fence: result.revision, state, ready: record, position, bytes }];
      }),
    heldBack: (results) =>
      entries.flatMap((entry, index) => {
        const { applied, reads = [], revision = 0 } = results[index + 1] ?? {};
        const [ready, found] = reads;
        const waits = applied === false && ready?.modRevision === entry.modRevision;
        if (!waits || (found?.modRevision ?? 0) === settings[index]) return [];
        return [{ entry, settings: found, revision }];
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
  { key, modRevision, record, position }: ReadyEntry,
  state: StateRecord,
  settings: Revision,
): Part {
  const stateKey = taskKey(record.id, "state");
  const settingsKey = queueKey(position.queue);
  return {
    guards: [
      taker.alive,
      keyUnchanged(key, modRevision),
      keyUnchanged(stateKey, record.attempt === undefined ? 0 : modRevision),
      keyUnchanged(settingsKey, settings),
    ],
    writes: [del(key), put(stateKey, encodeRecord(state))],
    otherwise: [key, settingsKey],
    witness: stateKey,
  };
}

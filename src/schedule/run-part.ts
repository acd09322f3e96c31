/** A run of a schedule as one part: the schedule moves on and the task exists, or neither. */

import { hash } from "../base/hash.ts";
import { enqueuePart } from "../broker/enqueue.ts";
import { encodeSpec } from "../broker/spec.ts";
import { keyPresent, keyUnchanged, type Part, put } from "../store/part.ts";
import { ADMISSION_KEY, scheduleKey, taskKey } from "../task/keyspace.ts";
import { encodeRecord } from "../task/records.ts";
import type { StoredSchedule } from "./change-schedule.ts";
import {
  type DefinitionRecord,
  RUNS_KEPT,
  type RunRecord,
  type ScheduleRecord,
} from "./schedule-record.ts";

/** No bound of its own: the input was checked when the schedule was made. */
const PAYLOAD_BYTES_MAX = 1_048_576;

/** `{schedule}@{instant in ISO 8601}`: there is one task for an instant, whoever makes it. */
export function tickId(schedule: string, tick: number): string {
  return `${schedule}@${new Date(tick).toISOString()}`;
}

/** How much later than its instant a run starts; the same for every Beat. */
export function jitterOf(schedule: string, tick: number, jitterMs = 0): number {
  return jitterMs === 0 ? 0 : hash(`${schedule}@${tick}`) % (jitterMs + 1);
}

/** What a part needs from the world. */
export interface RunFacts {
  /** A fresh ULID. */
  readonly sequence: string;
  readonly now: number;
}

/**
 * Makes the task of a run and puts `next` in the place of the schedule. Held while the schedule is
 * as it was read, the task does not exist, and new tasks are accepted. When it is refused, it reads
 * the task's spec, the schedule, the key that says that no task is accepted and, if the task is to
 * be unique, what has its key, in this order.
 */
export function runPart(
  { name, record, revision }: StoredSchedule,
  next: ScheduleRecord,
  run: RunRecord,
  facts: RunFacts,
): Part {
  const { definition } = record;
  const startAt = run.tick + jitterOf(name, run.tick, definition.jitterMs);
  const { spec, bytes } = encodeSpec(requestOf(name, definition, run, startAt), {
    sequence: facts.sequence,
    createdAt: facts.now,
    payloadBytesMax: PAYLOAD_BYTES_MAX,
    at: "",
  });
  const enqueue = enqueuePart(spec, bytes);
  const [, ...claimKeys] = enqueue.otherwise ?? [];
  const key = scheduleKey(name);
  return {
    ...enqueue,
    guards: [keyUnchanged(key, revision), ...enqueue.guards],
    writes: [put(key, encodeRecord(next)), ...enqueue.writes],
    otherwise: [taskKey(run.id, "spec"), key, ADMISSION_KEY, ...claimKeys],
  };
}

/**
 * Puts `next` in the place of the schedule without making a task; with `id`, because there is one
 * of that id already.
 */
export function advancePart(
  { name, revision }: StoredSchedule,
  next: ScheduleRecord,
  id?: string,
): Part {
  const key = scheduleKey(name);
  return {
    guards: [keyUnchanged(key, revision), ...(id ? [keyPresent(taskKey(id, "spec"))] : [])],
    writes: [put(key, encodeRecord(next))],
    otherwise: [key],
  };
}

/**
 * The record after a run, which is now among those that are remembered. Those that have ended are
 * forgotten first.
 */
export function withRun(record: ScheduleRecord, run: RunRecord): ScheduleRecord {
  const runs = [...record.runs, run];
  while (runs.length > RUNS_KEPT) {
    const ended = runs.findIndex(({ end }) => end !== undefined);
    runs.splice(Math.max(ended, 0), 1);
  }
  return { ...record, fired: record.fired + 1, runs };
}

function requestOf(schedule: string, definition: DefinitionRecord, run: RunRecord, at: number) {
  const { queue, priority, headers, timeout, retry, retention, unique } = definition;
  return {
    name: definition.task,
    input: definition.input,
    options: {
      id: run.id,
      idPrefix: "",
      queue,
      priority,
      headers,
      delayMs: undefined,
      at,
      expiresInMs: definition.expiresInMs,
      expiresAt: undefined,
      timeout,
      totalMs: definition.totalMs,
      idle: definition.when === "idle",
      preempt: definition.preempt === true,
      retry,
      retention,
    },
    claim: unique === undefined ? undefined : ({ kind: "unique", key: unique } as const),
    schedule: { name: schedule, tick: run.tick },
  };
}

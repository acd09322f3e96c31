/** `schedule/{name}`: a schedule with everything that has to be remembered of it. */
import { RecordMalformedError } from "../base/errors.ts";
import { decodeJson } from "../base/json.ts";
import { isId, isQueue, isTaskName } from "../task/names.ts";
import type { PauseRecord } from "../task/queue-record.ts";
import {
  RECORD_VERSION,
  type RetentionRecord,
  type RetryRecord,
  type TimeoutRecord,
} from "../task/records.ts";
import { TASK_STATES, type TaskState } from "../task/state.ts";
import type { RhythmRecord } from "./rhythm.ts";

/** Most runs that wait for the one before them to end. */
export const BUFFERED_MAX = 100;
/** The last runs that are remembered. */
export const RUNS_KEPT = 10;

/** What happens to a run while the one before it has not ended. */
export type Overlap = "skip" | "bufferOne" | "bufferAll" | "cancelOther" | "allow";

/** Every {@link Overlap}. */
export const OVERLAPS: readonly Overlap[] = [
  "skip",
  "bufferOne",
  "bufferAll",
  "cancelOther",
  "allow",
];

/** What a schedule is to do: all that its owner said, with every default filled in. */
export interface DefinitionRecord {
  /** The name of the task. */
  readonly task: string;
  readonly input?: unknown;
  readonly rhythm: RhythmRecord;
  readonly jitterMs?: number;
  readonly overlap: Overlap;
  /** A number: all runs that were missed within so many milliseconds. */
  readonly catchUp: "none" | "last" | number;
  readonly queue: string;
  readonly priority: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly expiresInMs?: number;
  readonly totalMs?: number;
  readonly unique?: string;
  readonly when?: "idle";
  readonly preempt?: true;
  readonly timeout?: TimeoutRecord;
  readonly retry?: RetryRecord;
  readonly retention?: RetentionRecord;
}

/** One run of a schedule. */
export interface RunRecord {
  /** The instant that it stands for. */
  readonly tick: number;
  readonly id: string;
  /** How its task ended, once that was seen; `"removed"`: it was removed before. */
  readonly end?: TaskState | "removed";
  /** It was asked for by hand. */
  readonly triggered?: boolean;
}

/** Who declared a schedule, and which definitions it has replaced. */
export interface DeclaredRecord {
  readonly app: string;
  /** Of the definition. */
  readonly hash: string;
  readonly version: number;
  /** Hashes of earlier definitions, the newest last. */
  readonly superseded: readonly string[];
}

/** `schedule/{name}` */
export interface ScheduleRecord {
  readonly definition: DefinitionRecord;
  /** Absent: it was made by `app.schedules` or the command line. */
  readonly declared?: DeclaredRecord;
  readonly paused?: PauseRecord;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Every instant up to here was dealt with. */
  readonly lastTick?: number;
  /** The next instant to deal with; absent when there is none. */
  readonly nextTick?: number;
  /** Instants that made a task, and instants that made none. */
  readonly fired: number;
  readonly skipped: number;
  /** Instants whose tasks wait for an earlier one to end, in order. */
  readonly buffered: readonly number[];
  /** The last ones, in order. */
  readonly runs: readonly RunRecord[];
  /** Differs between any two changes by hand, so that a lost answer can be told from a conflict. */
  readonly nonce: string;
}

/** @throws RecordMalformedError (`RECORD_MALFORMED`) when the bytes are not a schedule. */
export function decodeSchedule(bytes: Uint8Array): ScheduleRecord {
  const record = decodeJson(bytes);
  if (!isObject(record) || record.v !== RECORD_VERSION)
    throw malformed("it is no object with v: 1");
  requireDefinition(record.definition);
  requireNumbers(record, ["createdAt", "updatedAt", "fired", "skipped"], ["lastTick", "nextTick"]);
  if (typeof record.nonce !== "string") throw malformed("it has no nonce");
  if (!isListOf(record.buffered, isInstant)) throw malformed("buffered is no list of instants");
  if (!isListOf(record.runs, isRun)) throw malformed("runs is no list of runs");
  if (record.paused !== undefined) requireNumbers(record.paused, ["at"]);
  if (record.declared !== undefined) requireDeclared(record.declared);
  const { v: _version, ...schedule } = record;
  return schedule as unknown as ScheduleRecord;
}

function requireDefinition(value: unknown): void {
  if (!isObject(value)) throw malformed("it has no definition");
  if (!isTaskName(value.task) || !isQueue(value.queue)) throw malformed("task or queue");
  if (value.unique !== undefined && !isId(value.unique)) throw malformed("unique");
  requireNumbers(value, ["priority"], ["jitterMs", "expiresInMs", "totalMs"]);
  if (!OVERLAPS.some((known) => known === value.overlap)) throw malformed("overlap");
  const { catchUp, rhythm } = value;
  if (catchUp !== "none" && catchUp !== "last" && typeof catchUp !== "number") {
    throw malformed("catchUp");
  }
  if (!isObject(rhythm)) throw malformed("it has no rhythm");
  requireNumbers(rhythm, [], ["startAt", "endAt", "everyMs", "at"]);
  const { everyMs, cron, timeZone, dst, at } = rhythm;
  if (typeof at === "number" || (typeof everyMs === "number" && everyMs >= 1)) return;
  if (typeof cron === "string" && typeof timeZone === "string" && isObject(dst)) return;
  throw malformed("its rhythm is none");
}

function requireDeclared(value: unknown): void {
  requireNumbers(value, ["version"]);
  const { app, hash, superseded } = value as Record<string, unknown>;
  const texts = [app, hash].every((each) => typeof each === "string");
  if (texts && isListOf(superseded, (each) => typeof each === "string")) return;
  throw malformed("declared");
}

function isRun(value: unknown): boolean {
  if (!isObject(value) || !isInstant(value.tick) || typeof value.id !== "string") return false;
  const { end } = value;
  return end === undefined || end === "removed" || TASK_STATES.some((state) => state === end);
}

function isListOf(value: unknown, fits: (each: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(fits);
}

function isInstant(value: unknown): boolean {
  return Number.isSafeInteger(value);
}

function requireNumbers(value: unknown, members: string[], optional: string[] = []): void {
  if (!isObject(value)) throw malformed("a member is no object");
  for (const member of [...members, ...optional.filter((each) => value[each] !== undefined)]) {
    if (!Number.isFinite(value[member])) throw malformed(`${member} is no number`);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

function malformed(what: string): RecordMalformedError {
  return new RecordMalformedError(`The record is not a schedule: ${what}.`);
}

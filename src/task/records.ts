import { RecordMalformedError } from "../base/errors.ts";
import { decodeJson, encodeJson } from "../base/json.ts";
import type { TaskFailure } from "./failure.ts";
import { isSequence, SEQUENCE_LENGTH } from "./keyspace.ts";
import { isId, isQueue, PRIORITY_MAX } from "./names.ts";
import { TASK_STATES, type TaskState } from "./state.ts";

/**
 * The values behind the keys: JSON with a version member `v`. Readers ignore members that they do
 * not know, so that a member can be added without a new version.
 */
export const RECORD_VERSION = 1;

/** `task/{id}#spec`: what was asked for. Written once. */
export interface SpecRecord {
  readonly id: string;
  readonly name: string;
  readonly queue: string;
  readonly priority: number;
  /** Absent when the task was given no input. */
  readonly input?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch, by the producer's clock. */
  readonly createdAt: number;
  /** The task's place among its equals; absent when it is the last 26 characters of the id. */
  readonly sequence?: string;
  /** How often it may run in all, when the producer said so. */
  readonly retry?: RetryRecord;
  /** Milliseconds to keep it after it ended, when the producer said so. */
  readonly retention?: RetentionRecord;
}

/** A retry policy with every default filled in. */
export interface RetryRecord {
  readonly attempts: number;
  readonly backoff: "immediate" | "constant" | "exponential";
  readonly delayMs: number;
  readonly maxMs: number;
}

/** How long a task is kept after it ended. */
export interface RetentionRecord {
  readonly succeededMs: number;
  readonly failedMs: number;
}

/** `ready/…`: enough to take a task without reading it, and all of its spec when that is small. */
export interface ReadyRecord {
  readonly id: string;
  readonly name: string;
  /** Present exactly when `task/{id}#state` exists; both were then written at one revision. */
  readonly attempt?: number;
  /** Attempts that ended because their worker vanished. */
  readonly lost?: number;
  readonly spec?: SpecRecord;
}

/** `task/{id}#state`: the truth about a task. Absent: pending, never taken. */
export interface StateRecord {
  readonly state: TaskState;
  /** Attempts begun, not counting those given back by a stopping worker. */
  readonly attempt: number;
  /** Attempts among them that ended because their worker vanished. */
  readonly lost?: number;
  /** The worker that runs the task or ended the last attempt. */
  readonly worker?: string;
  /** The worker that put it back or failed it, after the one above had vanished. */
  readonly by?: string;
  /** The batch in which that worker took it. Worker and batch together are the record's nonce. */
  readonly hand?: number;
  /** When the running or last attempt was taken, by the worker's clock. */
  readonly takenAt?: number;
  /** When this record was written, by the writer's clock. */
  readonly at: number;
  readonly result?: unknown;
  /** Why the task failed, or why its last attempt did. */
  readonly error?: TaskFailure;
  /** Waiting again, or moved: where it waits, as far as that differs from the spec. */
  readonly queue?: string;
  readonly priority?: number;
  readonly sequence?: string;
  /** Scheduled: when it becomes ready. */
  readonly dueAt?: number;
  /** Ended: when its retention is over; its entry under `expire/` says the same. */
  readonly expireAt?: number;
}

/** `task/{id}#progress` */
export interface ProgressRecord {
  /** 0 to 100, rounded to 4 decimals. */
  readonly percent: number;
  readonly detail?: unknown;
  readonly attempt: number;
  readonly at: number;
}

/** `due/…`: which task becomes ready, for people to read; the key says it all. */
export interface DueRecord {
  readonly id: string;
  readonly name: string;
}

/** `hand/{worker}/{batch}` */
export interface HandRecord {
  /** The ids taken, by the queue that they waited in. */
  readonly queues: Readonly<Record<string, readonly string[]>>;
}

/** `worker/{worker}` */
export interface WorkerRecord {
  readonly host: string;
  readonly pid: number;
  readonly queues: readonly string[];
  readonly kinds: readonly string[];
  readonly concurrency: number;
  readonly startedAt: number;
  readonly version: string;
}

/** `meta` */
export interface MetaRecord {
  /** The version of the layout of all keys. */
  readonly schema: number;
  readonly createdAt: number;
}

/** Writes any record: `v` first, then its members in the order given. */
export function encodeRecord(record: object): Buffer {
  return encodeJson({ v: RECORD_VERSION, ...record });
}

/** @throws RecordMalformedError (`RECORD_MALFORMED`) when the bytes are not a spec. */
export function decodeSpec(bytes: Uint8Array): SpecRecord {
  return asSpec(decodeObject(bytes));
}

/** @throws RecordMalformedError (`RECORD_MALFORMED`) when the bytes are not a ready entry. */
export function decodeReady(bytes: Uint8Array): ReadyRecord {
  const record = decodeObject(bytes);
  const full = "createdAt" in record;
  const { attempt, lost } = record;
  if (attempt !== undefined) number(record, "attempt");
  if (lost !== undefined) number(record, "lost");
  return {
    id: idOf(record),
    name: text(record, "name"),
    ...(attempt === undefined ? undefined : { attempt: attempt as number }),
    ...(lost === undefined ? undefined : { lost: lost as number }),
    ...(full ? { spec: asSpec(record) } : undefined),
  };
}

const STATE_NUMBERS = ["lost", "hand", "takenAt", "dueAt", "expireAt"];

/** @throws RecordMalformedError (`RECORD_MALFORMED`) when the bytes are not a state. */
export function decodeState(bytes: Uint8Array): StateRecord {
  const record = decodeObject(bytes);
  const state = text(record, "state");
  if (!TASK_STATES.some((known) => known === state)) {
    throw new RecordMalformedError(`The state record names an unknown state: ${state}.`);
  }
  number(record, "attempt");
  number(record, "at");
  for (const member of STATE_NUMBERS) if (record[member] !== undefined) number(record, member);
  if (record.worker !== undefined) text(record, "worker");
  if (record.queue !== undefined) queueOf(record);
  if (record.priority !== undefined) priorityOf(record);
  if (record.sequence !== undefined) sequenceOf(record.sequence);
  if (record.error !== undefined) failure(record.error);
  if (state === "running" && record.worker === undefined) text(record, "worker");
  return record as unknown as StateRecord;
}

/** @throws RecordMalformedError (`RECORD_MALFORMED`) when the bytes are not a progress report. */
export function decodeProgress(bytes: Uint8Array): ProgressRecord {
  const record = decodeObject(bytes);
  for (const member of ["percent", "attempt", "at"]) number(record, member);
  return record as unknown as ProgressRecord;
}

/** @throws RecordMalformedError (`RECORD_MALFORMED`) when the bytes are not a hand entry. */
export function decodeHand(bytes: Uint8Array): HandRecord {
  const record = decodeObject(bytes);
  const { queues } = record;
  if (!isObject(queues) || !Object.values(queues).every(isTexts)) {
    throw new RecordMalformedError("The record has no lists of ids by queue.");
  }
  return { queues: queues as HandRecord["queues"] };
}

/** @throws RecordMalformedError (`RECORD_MALFORMED`) when the bytes are not a worker's entry. */
export function decodeWorker(bytes: Uint8Array): WorkerRecord {
  const record = decodeObject(bytes);
  for (const member of ["host", "version"]) text(record, member);
  for (const member of ["pid", "concurrency", "startedAt"]) number(record, member);
  if (!isTexts(record.queues) || !isTexts(record.kinds)) {
    throw new RecordMalformedError("The worker's record lacks its queues or kinds.");
  }
  return record as unknown as WorkerRecord;
}

/** @throws RecordMalformedError (`RECORD_MALFORMED`) when the bytes are not the meta record. */
export function decodeMeta(bytes: Uint8Array): MetaRecord {
  const value = decodeJson(bytes);
  if (!isObject(value)) throw new RecordMalformedError("The record is not a JSON object.");
  number(value, "schema");
  return value as unknown as MetaRecord;
}

function decodeObject(bytes: Uint8Array): Record<string, unknown> {
  const value = decodeJson(bytes);
  if (!isObject(value)) throw new RecordMalformedError("The record is not a JSON object.");
  if (value.v !== RECORD_VERSION) {
    throw new RecordMalformedError(`The record has version ${String(value.v)}, not 1.`);
  }
  return value;
}

function asSpec(record: Record<string, unknown>): SpecRecord {
  const id = idOf(record);
  text(record, "name");
  queueOf(record);
  priorityOf(record);
  number(record, "createdAt");
  sequenceOf(record.sequence ?? id.slice(-SEQUENCE_LENGTH));
  const { headers, retry, retention } = record;
  if (headers !== undefined && !(isObject(headers) && isTexts(Object.values(headers)))) {
    throw new RecordMalformedError("The headers of the record are not texts.");
  }
  if (retry !== undefined) requireNumbers("retry", retry, ["attempts", "delayMs", "maxMs"]);
  if (retention !== undefined) requireNumbers("retention", retention, ["succeededMs", "failedMs"]);
  return record as unknown as SpecRecord;
}

function requireNumbers(what: string, value: unknown, members: readonly string[]): void {
  if (!isObject(value)) throw new RecordMalformedError(`The record's ${what} is no object.`);
  for (const member of members) number(value, member);
}

/** What a record says becomes part of keys, so it must be what a key can hold. */
function idOf({ id }: Record<string, unknown>): string {
  if (isId(id)) return id;
  throw new RecordMalformedError('The record lacks a valid "id".');
}

function queueOf({ queue }: Record<string, unknown>): void {
  if (!isQueue(queue)) throw new RecordMalformedError('The record lacks a valid "queue".');
}

function priorityOf({ priority }: Record<string, unknown>): void {
  const valid = Number.isInteger(priority) && Number(priority) >= 0;
  if (valid && Number(priority) <= PRIORITY_MAX) return;
  throw new RecordMalformedError('The record lacks a valid "priority".');
}

function sequenceOf(sequence: unknown): void {
  if (!isSequence(sequence)) throw new RecordMalformedError("The record lacks its sequence.");
}

function failure(value: unknown): void {
  if (!isObject(value)) throw new RecordMalformedError("The record's error is no object.");
  for (const member of ["name", "message"]) text(value, member);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

function text(record: Record<string, unknown>, member: string): string {
  const value = record[member];
  if (typeof value === "string") return value;
  throw new RecordMalformedError(`The record lacks the text "${member}".`);
}

function number(record: Record<string, unknown>, member: string): number {
  const value = record[member];
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new RecordMalformedError(`The record lacks the number "${member}".`);
}

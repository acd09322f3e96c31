/** Reads the records of `task/records.ts`; whatever is in the store may be anybody's. */
import { RecordMalformedError } from "../base/errors.ts";
import { decodeJson } from "../base/json.ts";
import { isSequence, SEQUENCE_LENGTH } from "./keyspace.ts";
import { isId, isQueue, PRIORITY_MAX } from "./names.ts";
import {
  type AgentRecord,
  type AttemptRecord,
  type CancelRecord,
  type ClaimRecord,
  COUNTS,
  type DueRecord,
  type ExpireRecord,
  type FailedRecord,
  type HandRecord,
  type LogRecord,
  type MetaRecord,
  type ProgressRecord,
  RECORD_VERSION,
  type ReadyRecord,
  type SpecRecord,
  type StateRecord,
  type WorkerRecord,
} from "./records.ts";
import { TASK_STATES } from "./state.ts";

/** @throws RecordMalformedError (`RECORD_MALFORMED`) when the bytes are not a spec. */
export function decodeSpec(bytes: Uint8Array): SpecRecord {
  return asSpec(decodeObject(bytes));
}

/** @throws RecordMalformedError (`RECORD_MALFORMED`) when the bytes are not a ready entry. */
export function decodeReady(bytes: Uint8Array): ReadyRecord {
  const record = decodeObject(bytes);
  const full = "createdAt" in record;
  const ready: Record<string, unknown> = { id: idOf(record), name: text(record, "name") };
  for (const member of READY_NUMBERS) {
    if (record[member] !== undefined) ready[member] = number(record, member);
  }
  if (record.preempt === true) ready.preempt = true;
  if (full) ready.spec = asSpec(record);
  return ready as unknown as ReadyRecord;
}

/** @throws RecordMalformedError (`RECORD_MALFORMED`) when the bytes are not a due entry. */
export function decodeDue(bytes: Uint8Array): DueRecord {
  const record = decodeObject(bytes);
  const due = { id: idOf(record), name: text(record, "name") };
  return "createdAt" in record ? { ...due, spec: asSpec(record) } : due;
}

const READY_NUMBERS = [...COUNTS, "expiresAt"];
const STATE_NUMBERS = [...COUNTS, "hand", "takenAt", "dueAt", "expireAt"];

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
  if (record.cancel !== undefined) cancelOf(record.cancel);
  if (state === "running" && record.worker === undefined) text(record, "worker");
  return record as unknown as StateRecord;
}

/** @throws RecordMalformedError (`RECORD_MALFORMED`) when the bytes are not a progress report. */
export function decodeProgress(bytes: Uint8Array): ProgressRecord {
  const record = decodeObject(bytes);
  for (const member of ["percent", "attempt", "at"]) number(record, member);
  return record as unknown as ProgressRecord;
}

/** @throws RecordMalformedError (`RECORD_MALFORMED`) when the bytes are not a cancellation. */
export function decodeCancel(bytes: Uint8Array): CancelRecord {
  const record = decodeObject(bytes);
  cancelOf(record);
  number(record, "graceMs");
  return record as unknown as CancelRecord;
}

/** @throws RecordMalformedError (`RECORD_MALFORMED`) when the bytes are not an attempt's record. */
export function decodeAttempt(bytes: Uint8Array): AttemptRecord {
  const record = decodeObject(bytes);
  for (const member of ["attempt", "startedAt", "endedAt"]) number(record, member);
  for (const member of ["worker", "outcome"]) text(record, member);
  if (record.error !== undefined) failure(record.error);
  return record as unknown as AttemptRecord;
}

/** @throws RecordMalformedError (`RECORD_MALFORMED`) when the bytes are not an expire entry. */
export function decodeExpire(bytes: Uint8Array): ExpireRecord {
  const record = decodeObject(bytes);
  queueOf(record);
  number(record, "bytes");
  for (const member of ["attempts", "failedAt"]) {
    if (record[member] !== undefined) number(record, member);
  }
  return record as unknown as ExpireRecord;
}

/** @throws RecordMalformedError (`RECORD_MALFORMED`) when the bytes are not a dead letter. */
export function decodeFailed(bytes: Uint8Array): FailedRecord {
  const record = decodeObject(bytes);
  for (const member of ["name", "reason"]) text(record, member);
  number(record, "attempt");
  failure(record.error);
  return record as unknown as FailedRecord;
}

/** @throws RecordMalformedError (`RECORD_MALFORMED`) when the bytes are not a piece of a log. */
export function decodeLog(bytes: Uint8Array): LogRecord {
  const record = decodeObject(bytes);
  for (const member of ["chunk", "first"]) number(record, member);
  const { lines } = record;
  if (!Array.isArray(lines) || !lines.every(isLogLine)) {
    throw new RecordMalformedError("The record has no lines of a log.");
  }
  return record as unknown as LogRecord;
}

function isLogLine(line: unknown): boolean {
  if (!Array.isArray(line) || line.length !== 3) return false;
  const [at, attempt, text] = line;
  return Number.isFinite(at) && Number.isFinite(attempt) && typeof text === "string";
}

/** @throws RecordMalformedError (`RECORD_MALFORMED`) when the bytes are not a claim. */
export function decodeClaim(bytes: Uint8Array): ClaimRecord {
  const record = decodeObject(bytes);
  const id = idOf(record);
  return record.until === undefined ? { id } : { id, until: number(record, "until") };
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
  const { room, scale } = record;
  if (scale !== undefined) requireNumbers("scale", scale, ["min", "max"]);
  if (room !== undefined) {
    requireNumbers("room", room, ["cpu", "memoryFree", "eventLoopDelayMs", "at"]);
    if (!isTexts((room as Record<string, unknown>).why)) {
      throw new RecordMalformedError("The worker's record does not say why it has no room.");
    }
  }
  return record as unknown as WorkerRecord;
}

/** @throws RecordMalformedError (`RECORD_MALFORMED`) when the bytes are not an agent's entry. */
export function decodeAgent(bytes: Uint8Array): AgentRecord {
  const record = decodeObject(bytes);
  for (const member of ["incarnation", "address", "version", "host"]) text(record, member);
  for (const member of ["protocol", "pid", "startedAt", "ttlMs"]) number(record, member);
  const { labels, methods } = record;
  if (!isTexts(methods) || !isObject(labels) || !isTexts(Object.values(labels))) {
    throw new RecordMalformedError("The agent's record lacks its labels or methods.");
  }
  return record as unknown as AgentRecord;
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
  for (const member of SPEC_NUMBERS) if (record[member] !== undefined) number(record, member);
  const { headers, retry, retention, timeout, schedule } = record;
  if (record.when !== undefined && record.when !== "idle") {
    throw new RecordMalformedError('The record says "when" in a way that is not known.');
  }
  if (headers !== undefined && !(isObject(headers) && isTexts(Object.values(headers)))) {
    throw new RecordMalformedError("The headers of the record are not texts.");
  }
  if (retry !== undefined) requireNumbers("retry", retry, ["attempts", "delayMs", "maxMs"]);
  if (retention !== undefined) requireNumbers("retention", retention, ["succeededMs", "failedMs"]);
  if (timeout !== undefined) requireNumbers("timeout", timeout, [], ["softMs", "hardMs"]);
  if (schedule !== undefined) requireNumbers("schedule", schedule, ["tick"]);
  claimsOf(record);
  return record as unknown as SpecRecord;
}

function claimsOf({ unique, throttle, debounce }: Record<string, unknown>): void {
  if (unique !== undefined) keyOf("unique", unique);
  if (throttle !== undefined) {
    requireNumbers("throttle", throttle, ["until"]);
    keyOf("throttle", (throttle as Record<string, unknown>).key);
  }
  if (debounce !== undefined) {
    requireNumbers("debounce", debounce, ["latestAt"]);
    keyOf("debounce", (debounce as Record<string, unknown>).key);
  }
}

function keyOf(what: string, key: unknown): void {
  if (!isId(key)) throw new RecordMalformedError(`The record's ${what} has no valid key.`);
}

const SPEC_NUMBERS = ["dueAt", "expiresAt", "deadlineAt", "totalMs"];

function cancelOf(value: unknown): void {
  requireNumbers("cancel", value, ["at"]);
  const { reason, by } = value as Record<string, unknown>;
  if ([reason, by].every((each) => each === undefined || typeof each === "string")) return;
  throw new RecordMalformedError("The reason or author of a cancellation is not a text.");
}

function requireNumbers(
  what: string,
  value: unknown,
  members: readonly string[],
  optional: readonly string[] = [],
): void {
  if (!isObject(value)) throw new RecordMalformedError(`The record's ${what} is no object.`);
  for (const member of members) number(value, member);
  for (const member of optional) if (value[member] !== undefined) number(value, member);
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

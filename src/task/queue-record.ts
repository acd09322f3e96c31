import { RecordMalformedError } from "../base/errors.ts";
import { decodeJson } from "../base/json.ts";
import {
  RECORD_VERSION,
  type RetentionRecord,
  type RetryRecord,
  type TimeoutRecord,
} from "./records.ts";

/** `queue/{queue}`: what holds for all tasks of a queue. Every member may be absent. */
export interface QueueRecord {
  /** Nothing is taken from it. */
  readonly paused?: PauseRecord;
  /** For tasks whose enqueue and definition say nothing. */
  readonly retry?: RetryRecord;
  readonly timeout?: TimeoutRecord;
  readonly retention?: RetentionRecord;
  /** `"strict"`: tasks start in order across the whole queue. Default `"sharded"`. */
  readonly order?: "sharded" | "strict";
  /** Most tasks of the queue that one worker runs at once. */
  readonly concurrency?: number;
  /** How many ended tasks are kept, and how many bytes of them, whatever their age. */
  readonly keep?: { readonly count?: number; readonly bytes?: number };
}

/** Since when a queue is paused, by whom and why. */
export interface PauseRecord {
  readonly at: number;
  readonly by?: string;
  readonly reason?: string;
}

/** @throws RecordMalformedError (`RECORD_MALFORMED`) when the bytes are not a queue's settings. */
export function decodeQueue(bytes: Uint8Array): QueueRecord {
  const record = decodeJson(bytes) as Record<string, unknown> | null;
  if (record === null || typeof record !== "object" || record.v !== RECORD_VERSION) {
    throw new RecordMalformedError("The record is not the settings of a queue.");
  }
  for (const [member, type] of MEMBERS) {
    const value = record[member];
    const right =
      type === "object" ? value !== null && typeof value === type : typeof value === type;
    if (value === undefined || right) continue;
    throw new RecordMalformedError(`The queue's "${member}" is no ${type}.`);
  }
  const { v: _version, ...settings } = record;
  return settings as QueueRecord;
}

const MEMBERS = [
  ["paused", "object"],
  ["retry", "object"],
  ["timeout", "object"],
  ["retention", "object"],
  ["keep", "object"],
  ["order", "string"],
  ["concurrency", "number"],
] as const;

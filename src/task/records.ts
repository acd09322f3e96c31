import { encodeJson } from "../base/json.ts";
import type { TaskFailure } from "./failure.ts";
import type { TaskState } from "./state.ts";

/**
 * The values behind the keys: JSON with a version member `v`. Readers ignore members that they do
 * not know, so that a member can be added without a new version.
 */
export const RECORD_VERSION = 1;

/** `task/{id}#spec`: what was asked for. Changed only while the task waits or has ended. */
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
  /** When it becomes ready for the first time; absent: at once. */
  readonly dueAt?: number;
  /** Not started by then: it expires. */
  readonly expiresAt?: number;
  /** Not ended by then: it fails; `totalMs` after it was created or due. */
  readonly deadlineAt?: number;
  /** What `deadlineAt` was made from, for the next generation. */
  readonly totalMs?: number;
  /** It waits for a host that has room; absent: for none. */
  readonly when?: "idle";
  /** While it runs, a host that has no room any more gives it back. */
  readonly preempt?: true;
  /** How long one attempt may take, when the producer said so. */
  readonly timeout?: TimeoutRecord;
  /** How often it may run in all, when the producer said so. */
  readonly retry?: RetryRecord;
  /** Milliseconds to keep it after it ended, when the producer said so. */
  readonly retention?: RetentionRecord;
  /** The schedule that made it, and for which instant. */
  readonly schedule?: { readonly name: string; readonly tick: number };
  /** Held under `unique/` while it waits or runs. */
  readonly unique?: string;
  /** Held under `throttle/` until that time. */
  readonly throttle?: { readonly key: string; readonly until: number };
  /** Held under `debounce/` while it waits for its first attempt, which is due by `latestAt`. */
  readonly debounce?: { readonly key: string; readonly latestAt: number };
}

/** A retry policy with every default filled in. */
export interface RetryRecord {
  readonly attempts: number;
  readonly backoff: "immediate" | "constant" | "linear" | "exponential";
  readonly delayMs: number;
  readonly maxMs: number;
  /** Absent: `"half"` for exponential pauses, `"none"` for others. */
  readonly jitter?: "none" | "half" | "full";
  /** Names and codes of errors that are final. */
  readonly noRetry?: readonly string[];
}

/** Bounds of one attempt. */
export interface TimeoutRecord {
  /** After this the handler is told to stop. */
  readonly softMs?: number;
  /** After this the attempt has failed, whatever the handler does. */
  readonly hardMs?: number;
}

/** How long a task is kept after it ended; 0: not at all. */
export interface RetentionRecord {
  readonly succeededMs: number;
  readonly failedMs: number;
}

/** What is counted of a task while it lives. */
export interface Counts {
  /** Attempts begun, not counting those given back or snoozed. */
  readonly attempt: number;
  /** Attempts among them, of this generation, that ended because their worker vanished. */
  readonly lost?: number;
  /** Attempts among them that belong to earlier generations. */
  readonly spent?: number;
  /** How often the handler put it off. */
  readonly snoozed?: number;
  /** How often it was made anew after it had ended, plus 1; absent: 1. */
  readonly generation?: number;
  /** 1 when there may be entries under `log/`. */
  readonly logged?: number;
}

/** `ready/…`: enough to take a task without reading it, and all of its spec when that is small. */
export interface ReadyRecord extends Partial<Counts> {
  readonly id: string;
  readonly name: string;
  /** Present exactly when `task/{id}#state` exists; both were then written at one revision. */
  readonly attempt?: number;
  readonly expiresAt?: number;
  readonly preempt?: true;
  readonly spec?: SpecRecord;
}

/** Why a task failed. */
export type FailReason =
  | "error"
  | "no-retry"
  | "invalid"
  | "timeout"
  | "total-timeout"
  | "worker-lost";

/** `task/{id}#state`: the truth about a task. Absent: as its spec says, never taken. */
export interface StateRecord extends Counts {
  readonly state: TaskState;
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
  /** Failed: the kind of reason. */
  readonly reason?: FailReason;
  /** Cancelled: who wanted it and why. */
  readonly cancel?: CancelFacts;
  /** Waiting again, or moved: where it waits, as far as that differs from the spec. */
  readonly queue?: string;
  readonly priority?: number;
  readonly sequence?: string;
  readonly idle?: true;
  /** Scheduled: when it becomes ready. */
  readonly dueAt?: number;
  /** Scheduled by its handler: what it waits for. */
  readonly waitsFor?: string;
  /** Ended: when its retention is over; its entry under `expire/` says the same. */
  readonly expireAt?: number;
}

/** Who cancelled a task, and why. */
export interface CancelFacts {
  readonly reason?: string;
  readonly by?: string;
  /** When it was asked for, by the caller's clock. */
  readonly at: number;
  /** The handler did not obey in time. */
  readonly forced?: boolean;
}

/** `task/{id}#cancel`: a running task is to be cancelled. */
export interface CancelRecord extends CancelFacts {
  /** How long the handler has to obey. */
  readonly graceMs: number;
}

/** `task/{id}#attempt-{slot}`: how an attempt went that did not end the task. */
export interface AttemptRecord {
  readonly attempt: number;
  readonly worker: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly outcome: AttemptOutcome;
  readonly error?: TaskFailure;
}

/** How an attempt ended. */
export type AttemptOutcome = "failed" | "timeout" | "worker-lost" | "cancelled" | "succeeded";

/** `task/{id}#progress` */
export interface ProgressRecord {
  /** 0 to 100, rounded to 4 decimals. */
  readonly percent: number;
  readonly detail?: unknown;
  readonly attempt: number;
  readonly at: number;
}

/** `log/{id}#{slot}`: consecutive lines of a task's log. */
export interface LogRecord {
  /** Which piece of the log this is, from 0; it tells the slot. */
  readonly chunk: number;
  /** The number of its first line, from 0. */
  readonly first: number;
  /** When each was logged, by which attempt, and what. */
  readonly lines: readonly (readonly [at: number, attempt: number, text: string])[];
}

/** `due/…`: which task becomes ready, and all of its spec when it has no state and is small. */
export interface DueRecord {
  readonly id: string;
  readonly name: string;
  readonly spec?: SpecRecord;
}

/** `expire/…`: what the sweeper needs to remove an ended task without reading it. */
export interface ExpireRecord {
  readonly queue: string;
  /** About how much its records take, in bytes. */
  readonly bytes: number;
  /** Attempts begun, when some are remembered. */
  readonly attempts?: number;
  /** When it failed; then it has an entry under `failed/`. */
  readonly failedAt?: number;
  /** There may be entries under `log/`. */
  readonly logged?: true;
}

/** `unique/…`, `throttle/…`, `debounce/…`: the task that holds the key. */
export interface ClaimRecord {
  readonly id: string;
  /** Throttle: the end of the period. Debounce: when Beat looks whether the task still waits. */
  readonly until?: number;
}

/** `failed/…`: a dead letter, for listings. */
export interface FailedRecord {
  readonly name: string;
  readonly reason: FailReason;
  readonly attempt: number;
  /** Name, code and the beginning of the message. */
  readonly error: TaskFailure;
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
  /** Tasks that it runs at once, now. */
  readonly concurrency: number;
  readonly startedAt: number;
  readonly version: string;
  /** Between which bounds `concurrency` follows the load; absent: it is fixed. */
  readonly scale?: { readonly min: number; readonly max: number };
  /** Absent: it takes no idle tasks, or has not measured yet. */
  readonly room?: RoomRecord;
}

/** What a worker's host had to spare when that last began or ceased to suffice for idle tasks. */
export interface RoomRecord {
  /** Whether it takes idle tasks. */
  readonly idle: boolean;
  /** What stands against it, in words; empty while it takes them. */
  readonly why: readonly string[];
  /** Used by others, as a share of what the worker may use, 0 to 1. */
  readonly cpu: number;
  /** Free, as a share of what the worker may use, 0 to 1. */
  readonly memoryFree: number;
  readonly eventLoopDelayMs: number;
  /** When it was measured, by the worker's clock. */
  readonly at: number;
}

/** `agent/{name}` */
export interface AgentRecord {
  /** Random, and new after each loss of its lease. */
  readonly incarnation: string;
  /** Where it is called, as `host:port`. */
  readonly address: string;
  /** Whether it is called by TLS. */
  readonly tls: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly methods: readonly string[];
  /** The version of the agent's protocol. */
  readonly protocol: number;
  /** The version of etask that it runs. */
  readonly version: string;
  readonly host: string;
  readonly pid: number;
  readonly startedAt: number;
  /** How long after its death the key goes. */
  readonly ttlMs: number;
  /** It is about to stop: calls under way go on, and no other is accepted. */
  readonly leaving?: true;
}

/** `meta` */
export interface MetaRecord {
  /** The version of the layout of all keys. */
  readonly schema: number;
  readonly createdAt: number;
}

/** What a wish says besides how long the handler has. */
export function cancelFacts({ graceMs: _grace, ...facts }: CancelRecord): CancelFacts {
  return facts;
}

/** Writes any record: `v` first, then its members in the order given. */
export function encodeRecord(record: object): Buffer {
  return encodeJson({ v: RECORD_VERSION, ...record });
}

/** The members of {@link Counts}. */
export const COUNTS = ["attempt", "lost", "spent", "snoozed", "generation", "logged"] as const;

/** What is counted of a task, as far as it is above its default. */
export function countsOf(from: Partial<Counts>): Counts {
  const counts: Record<string, number> = { attempt: from.attempt ?? 0 };
  for (const member of COUNTS) if (from[member]) counts[member] = from[member];
  return counts as unknown as Counts;
}

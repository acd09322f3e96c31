import { EtaskError, isEtaskError } from "../base/errors.ts";

/** An error as data: what the store keeps of what a handler threw. All members are bounded. */
export interface TaskFailure {
  readonly name: string;
  readonly message: string;
  /** The error's `code`, when it had one. */
  readonly code?: string;
  readonly stack?: string;
  readonly cause?: TaskFailure;
}

const MESSAGE_LENGTH_MAX = 4_096;
const STACK_LENGTH_MAX = 8_192;
const CAUSE_DEPTH_MAX = 4;

/** Reads whatever a handler threw; never throws itself, also for hostile values. */
export function failureOf(thrown: unknown, depth = 0): TaskFailure {
  if (!isError(thrown)) return { name: "Error", message: bounded(textOf(thrown)) };
  const code = memberOf(thrown, "code");
  const stack = memberOf(thrown, "stack");
  const cause = memberOf(thrown, "cause");
  return {
    name: bounded(textOf(memberOf(thrown, "name") ?? "Error"), 200),
    message: bounded(textOf(memberOf(thrown, "message") ?? "")),
    ...(typeof code === "string" ? { code: bounded(code, 200) } : undefined),
    ...(typeof stack === "string" ? { stack: bounded(stack, STACK_LENGTH_MAX) } : undefined),
    ...(cause !== undefined && depth < CAUSE_DEPTH_MAX
      ? { cause: failureOf(cause, depth + 1) }
      : undefined),
  };
}

/**
 * An error like the one that a failure was made of, with its name, message, code, stack and cause,
 * but not of its class; and with hints.
 */
export function rebuildError(failure: TaskFailure, hints: FailureHints = {}): Error {
  const { name, message, code, stack, cause } = failure;
  const error = new Error(message);
  const members = {
    name,
    stack,
    ...(code === undefined ? undefined : { code }),
    ...(cause === undefined ? undefined : { cause: rebuildError(cause) }),
    ...hints,
  };
  for (const [member, value] of Object.entries(members)) {
    Object.defineProperty(error, member, { value, writable: true, configurable: true });
  }
  return error;
}

const BRIEF_LENGTH_MAX = 500;

/** A failure in short, for histories and listings: no stack, no cause, the message's beginning. */
export function briefFailure({ name, code, message }: TaskFailure): TaskFailure {
  return {
    name,
    message: bounded(message, BRIEF_LENGTH_MAX),
    ...(code === undefined ? undefined : { code }),
  };
}

/** What a proxy answers to any question may be a throw. */
function isError(thrown: unknown): thrown is Error {
  try {
    return thrown instanceof Error;
  } catch {
    return false;
  }
}

function memberOf(error: Error, member: string): unknown {
  try {
    return (error as unknown as Record<string, unknown>)[member];
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string {
  try {
    return (typeof value === "object" && JSON.stringify(value)) || String(value);
  } catch {
    return "a value that cannot be shown";
  }
}

function bounded(text: string, lengthMax = MESSAGE_LENGTH_MAX): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax - 1)}…`;
}

/** The task ended as failed. `failure` is what the store recorded of the last attempt. */
export class TaskFailedError extends EtaskError {
  readonly code = "TASK_FAILED";
  readonly id: string;
  readonly failure: TaskFailure;

  constructor(id: string, failure: TaskFailure) {
    super(`Task ${id} failed: ${failure.name}: ${failure.message}`);
    this.id = id;
    this.failure = failure;
  }
}

/** The task ended as cancelled before or while it ran. */
export class TaskCancelledError extends EtaskError {
  readonly code = "TASK_CANCELLED";
}

/** The task was not started in time. */
export class TaskExpiredError extends EtaskError {
  readonly code = "TASK_EXPIRED";
}

/** No task has this id: it never existed, or was removed after its retention. */
export class TaskNotFoundError extends EtaskError {
  readonly code = "TASK_NOT_FOUND";

  constructor(id: string) {
    super(`There is no task ${id}. It never existed, or its retention is over.`);
  }
}

/** A running task cannot be edited or removed. Wait until it has ended. */
export class TaskRunningError extends EtaskError {
  readonly code = "TASK_RUNNING";
}

/** A task that has ended cannot be edited or cancelled any more. */
export class TaskEndedError extends EtaskError {
  readonly code = "TASK_ENDED";
}

/** Only a task that has ended can be retried by hand. */
export class TaskNotEndedError extends EtaskError {
  readonly code = "TASK_NOT_ENDED";
}

/** A task cannot run once more, because another one with its `unique` key waits or runs. */
export class TaskNotUniqueError extends EtaskError {
  readonly code = "TASK_NOT_UNIQUE";
  /** The id of the task that has the key. */
  readonly holder: string;

  constructor(id: string, unique: string, holder: string) {
    super(
      `Task ${id} is unique by the key ${unique}, which task ${holder} has until it ends. ` +
        "Nothing was changed.",
    );
    this.holder = holder;
  }
}

/** An attempt, or all attempts together, took longer than allowed. */
export class TimeoutError extends EtaskError {
  readonly code = "ATTEMPT_TIMEOUT";
}

/**
 * The attempt no longer holds its task: another attempt has begun, or the task has ended. The store
 * refused the write.
 */
export class AttemptStaleError extends EtaskError {
  readonly code = "ATTEMPT_STALE";
}

/** Why a running attempt was told to stop, as `ctx.signal.reason`. */
export class AttemptAbortedError extends EtaskError {
  readonly code = "ATTEMPT_ABORTED";
  readonly reason: AbortReason;

  constructor(reason: AbortReason) {
    super(ABORT_TEXTS[reason]);
    this.reason = reason;
  }
}

/** The reasons in {@link AttemptAbortedError}. */
export type AbortReason = "cancelled" | "timeout" | "lease-lost" | "shutdown" | "preempted";

/** The message for each reason. */
export const ABORT_TEXTS: Readonly<Record<AbortReason, string>> = {
  cancelled: "The task is cancelled.",
  timeout: "The attempt has taken as long as it may.",
  "lease-lost": "The worker lost its lease; the task is taken by another worker.",
  shutdown: "The worker is stopping; the task goes back to its queue.",
  preempted: "The host has no room for idle tasks any more; the task goes back to its queue.",
};

/** What an error that a handler throws may say about further attempts, whatever its class. */
export interface FailureHints {
  /** No further attempt can mend it; the task fails with the reason `no-retry`. */
  readonly final?: boolean;
  /** The next attempt begins no sooner, in milliseconds; at most 30 days. */
  readonly retryAfterMs?: number;
}

/** A failure that no further attempt can mend. Throw it from a handler. */
export class FinalError extends EtaskError implements FailureHints {
  readonly code = "FINAL_ERROR";
  readonly final = true;
}

/** Reads the {@link FailureHints} of whatever was thrown; what makes no sense says nothing. */
export function hintsOf(thrown: unknown): FailureHints {
  if (!isError(thrown)) return {};
  const after = memberOf(thrown, "retryAfterMs");
  const valid = typeof after === "number" && after >= 0 && after < Number.POSITIVE_INFINITY;
  return {
    ...(memberOf(thrown, "final") === true ? { final: true } : undefined),
    ...(valid ? { retryAfterMs: after } : undefined),
  };
}

/** Failures of etask itself that no further attempt can mend. */
export function isFinalFailure(thrown: unknown): boolean {
  try {
    return isEtaskError(thrown) && FINAL_CODES.has(thrown.code);
  } catch {
    return false;
  }
}

const FINAL_CODES: ReadonlySet<string> = new Set([
  "INVALID_INPUT",
  "RECORD_MALFORMED",
  "NOT_JSON",
  "PAYLOAD_TOO_LARGE",
]);

/** What becomes of a task after an attempt at it did not succeed. */
import { durationMs } from "../base/duration.ts";
import type { Outcome } from "../broker/finish.ts";
import { totalTimeout } from "../broker/overdue.ts";
import type { Attempt } from "../task/attempt.ts";
import {
  failureOf,
  hintsOf,
  isFinalFailure,
  type TaskFailure,
  TimeoutError,
} from "../task/failure.ts";
import type { RetryAt, Snooze } from "../task/outcome.ts";
import type { QueueRecord } from "../task/queue-record.ts";
import type { AttemptOutcome, FailReason, RetryRecord, SpecRecord } from "../task/records.ts";
import {
  NO_RETRY,
  PAUSE_MS_MAX,
  type RetryPolicy,
  refusesRetry,
  resolveRetry,
  retryDelayMs,
} from "../task/retry-policy.ts";
import type { RegisteredTask } from "../task/task.ts";
import { wasJudgedThere } from "./isolation/thrown-elsewhere.ts";

/** What is known of an attempt when it is judged. */
export interface Judged {
  readonly attempt: Attempt;
  readonly spec: SpecRecord | undefined;
  readonly task: RegisteredTask | undefined;
  readonly settings: QueueRecord;
  readonly now: number;
  /** In [0, 1). */
  readonly chance: number;
}

/** A handler threw; `timedOut` when that was after it had been told that its time was over. */
export function verdictOf(judged: Judged, thrown: unknown, timedOut: boolean): Outcome {
  if (timedOut) return timeoutVerdict(judged, "The attempt took too long.", thrown);
  const error = failureOf(thrown);
  return isFinalFailure(thrown) ? failed(error, "invalid") : judge(judged, thrown, error, false);
}

/** An attempt has taken too long; `cause` is what its handler made of that, if it has ended. */
export function timeoutVerdict(judged: Judged, message: string, cause?: unknown): Outcome {
  const thrown = new TimeoutError(message, cause === undefined ? {} : { cause });
  const { stack: _ours, ...error } = failureOf(thrown);
  return judge(judged, thrown, error, true);
}

function judge(judged: Judged, thrown: unknown, error: TaskFailure, timedOut: boolean): Outcome {
  const policy = policyOf(judged.task);
  const record = recordOf(judged, policy);
  try {
    if (isFinalFor(policy, record, thrown, error)) return failed(error, "no-retry");
    return again(judged, error, timedOut, (failures) =>
      pauseMs(policy, record, failures, thrown, judged),
    );
  } catch (broken) {
    // What the definition says is code, too, and may throw or answer nonsense.
    return failed({ ...failureOf(broken), cause: error }, "error");
  }
}

/** The task as a whole has taken longer than it may. */
export function totalTimeoutVerdict({ spec }: Judged): Outcome {
  return { kind: "failed", ...totalTimeout(spec?.totalMs ?? 0) };
}

/** A handler said itself when the next attempt begins. */
export function retryAtVerdict(judged: Judged, { when, reason }: RetryAt): Outcome {
  const record = recordOf(judged, policyOf(judged.task));
  const error: TaskFailure = {
    name: "RetryAt",
    message: reason ?? "The handler asked for another attempt.",
  };
  const delayMs = "at" in when ? Math.max(0, when.at - judged.now) : when.delayMs;
  return again(judged, error, false, (failures) =>
    failures >= record.attempts ? undefined : delayMs,
  );
}

/** A handler put the task off; a pause that would end when the task's time is over is none. */
export function snoozeVerdict(judged: Judged, { delayMs, reason }: Snooze): Outcome {
  if (isOverAfter(judged, delayMs)) return totalTimeoutVerdict(judged);
  return { kind: "snoozed", delayMs, ...(reason === undefined ? {} : { waitsFor: reason }) };
}

function isOverAfter({ spec, now }: Judged, delayMs: number): boolean {
  return spec?.deadlineAt !== undefined && now + delayMs >= spec.deadlineAt;
}

function again(
  judged: Judged,
  error: TaskFailure,
  timedOut: boolean,
  pauseAfter: (failures: number) => number | undefined,
): Outcome {
  const { attempt, lost = 0, spent = 0 } = judged.attempt.state;
  const delayMs = pauseAfter(attempt - lost - spent);
  if (delayMs === undefined) return failed(error, timedOut ? "timeout" : "error");
  // Another attempt that could only begin when the task's time is over is none.
  if (isOverAfter(judged, delayMs)) return failed(error, "total-timeout");
  const outcome: AttemptOutcome = timedOut ? "timeout" : "failed";
  return { kind: "retry", error, delayMs, outcome };
}

function failed(error: TaskFailure, reason: FailReason): Outcome {
  return { kind: "failed", error, reason };
}

function policyOf(task: RegisteredTask | undefined): RetryPolicy | undefined {
  return task?.retry === undefined ? undefined : resolveRetry(task.retry);
}

/** The enqueue goes before the definition, that before the queue. */
function recordOf({ spec, settings }: Judged, policy: RetryPolicy | undefined): RetryRecord {
  return spec?.retry ?? policy?.record ?? settings.retry ?? NO_RETRY;
}

function isFinalFor(
  policy: RetryPolicy | undefined,
  { noRetry = [] }: RetryRecord,
  thrown: unknown,
  { name, code }: TaskFailure,
): boolean {
  if (hintsOf(thrown).final) return true;
  // What a runner threw is of none of the definition's classes here; it was judged there.
  if (policy && !wasJudgedThere(thrown) && refusesRetry(policy, thrown)) return true;
  return noRetry.includes(name) || (code !== undefined && noRetry.includes(code));
}

function pauseMs(
  policy: RetryPolicy | undefined,
  record: RetryRecord,
  failures: number,
  thrown: unknown,
  { spec, chance }: Judged,
): number | undefined {
  const usual = retryDelayMs(record, failures, chance);
  if (usual === undefined) return undefined;
  const { retryAfterMs = 0 } = hintsOf(thrown);
  const own = policy?.backoff && !spec?.retry ? policy.backoff(failures, thrown) : usual;
  const pause = durationMs("retry.backoff", own, 0, PAUSE_MS_MAX);
  return Math.min(Math.max(pause, Math.ceil(retryAfterMs)), PAUSE_MS_MAX);
}

import { type Duration, durationMs } from "../base/duration.ts";
import { InvalidOptionsError } from "../base/errors.ts";
import { requireInteger, requireKnownKeys, requireOneOf, shown } from "../base/options.ts";
import type { RetryRecord } from "./records.ts";

/** How the pause before the next attempt grows. */
export type Backoff = "immediate" | "constant" | "linear" | "exponential";

/** How much of a pause is taken off at random: nothing, up to half of it, or up to all of it. */
export type Jitter = "none" | "half" | "full";

/** What happens after an attempt failed, as data: it can be stored. */
export interface StoredRetryOptions {
  /** Attempts in all, the first one included, 1 to 1,000. Default 1: no retry. */
  readonly attempts?: number;
  /**
   * `"immediate"`: at once; `"constant"`: after `delay`; `"linear"`: after `delay`, then twice,
   * three times that; `"exponential"` (the default): after `delay`, then twice that, four times. Up
   * to `max`.
   */
  readonly backoff?: Backoff;
  /** The first pause. Default 1 s, from 0 to 1 day. */
  readonly delay?: Duration;
  /** The longest pause. Default 1 h, from 0 to 30 days. */
  readonly max?: Duration;
  /** Default `"half"` for exponential pauses, `"none"` for others. */
  readonly jitter?: Jitter;
  /** Names or codes of errors that no further attempt can mend. At most 32. */
  readonly noRetry?: readonly string[];
}

/** A class of errors. */
export type ErrorClass = abstract new (...args: never[]) => Error;

/** What happens after an attempt failed, as a task's definition says it. */
export interface RetryOptions extends Omit<StoredRetryOptions, "backoff" | "noRetry"> {
  /** Or a function of the attempt that failed, from 1, and what it threw; from 0 to 30 days. */
  readonly backoff?: Backoff | ((attempt: number, error: unknown) => Duration);
  /** Classes, names or codes of errors that no further attempt can mend. At most 32. */
  readonly noRetry?: readonly (string | ErrorClass)[];
  /** Whether another attempt may mend what was thrown. Asked before anything else is looked at. */
  readonly retryIf?: (error: unknown) => boolean;
}

/** A definition's policy: what can be stored of it, and what cannot. */
export interface RetryPolicy {
  readonly record: RetryRecord;
  readonly backoff?: (attempt: number, error: unknown) => Duration;
  readonly retryIf?: (error: unknown) => boolean;
  readonly noRetryClasses: readonly ErrorClass[];
}

const DAY_MS = 86_400_000;
/** The longest pause between two attempts. */
export const PAUSE_MS_MAX: number = 30 * DAY_MS;
const NO_RETRY_MAX = 32;
const MEMBERS = ["attempts", "backoff", "delay", "max", "jitter", "noRetry"];
const BACKOFFS: readonly Backoff[] = ["immediate", "constant", "linear", "exponential"];
const JITTERS: readonly Jitter[] = ["none", "half", "full"];

/**
 * Whether a definition's code says that no further attempt can mend what was thrown.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) when `retryIf` answers with anything but true or
 *   false; what `retryIf` throws.
 */
export function refusesRetry({ retryIf, noRetryClasses }: RetryPolicy, thrown: unknown): boolean {
  if (retryIf && !saysYes(retryIf(thrown))) return true;
  return noRetryClasses.some((each) => thrown instanceof each);
}

/** A promise would always be a yes. */
function saysYes(answer: unknown): boolean {
  if (typeof answer === "boolean") return answer;
  throw new InvalidOptionsError(`retry.retryIf must return true or false; got ${shown(answer)}.`);
}

/** One attempt and no more. */
export const NO_RETRY: RetryRecord = resolveStoredRetry({});

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the member that is not allowed. */
export function resolveRetry(given: RetryOptions): RetryPolicy {
  requireKnownKeys("retry", given, [...MEMBERS, "retryIf"]);
  const { backoff, retryIf, noRetry = [], ...rest } = given;
  if (retryIf !== undefined && typeof retryIf !== "function") {
    throw new InvalidOptionsError(`retry.retryIf must be a function; got ${shown(retryIf)}.`);
  }
  if (!Array.isArray(noRetry)) throw notNames(noRetry);
  const classes = noRetry.filter((each) => typeof each === "function");
  const names = noRetry.filter((each) => typeof each !== "function");
  const own = typeof backoff === "function" ? backoff : undefined;
  return {
    record: resolveStoredRetry({
      ...rest,
      ...(own || backoff === undefined ? undefined : { backoff: backoff as Backoff }),
      ...(names.length === 0 ? undefined : { noRetry: names }),
    }),
    ...(own && { backoff: own }),
    ...(retryIf && { retryIf }),
    noRetryClasses: classes,
  };
}

/**
 * The policy of a single enqueue or a queue: it is stored, so it holds no functions.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the member that is not allowed.
 */
export function resolveStoredRetry(given: StoredRetryOptions): RetryRecord {
  requireKnownKeys("retry", given, MEMBERS);
  if (typeof given.backoff === "function") {
    throw new InvalidOptionsError(
      "retry.backoff must be a name here, because it is stored; a function can stand in the task's " +
        "definition.",
    );
  }
  const { noRetry, jitter } = given;
  return {
    attempts: requireInteger("retry.attempts", given.attempts ?? 1, 1, 1_000),
    backoff: requireOneOf("retry.backoff", given.backoff ?? "exponential", BACKOFFS),
    delayMs: durationMs("retry.delay", given.delay ?? 1_000, 0, DAY_MS),
    maxMs: durationMs("retry.max", given.max ?? 3_600_000, 0, PAUSE_MS_MAX),
    ...(jitter === undefined ? {} : { jitter: requireOneOf("retry.jitter", jitter, JITTERS) }),
    ...(noRetry === undefined ? {} : { noRetry: requireNames(noRetry) }),
  };
}

function requireNames(names: unknown): readonly string[] {
  const valid = (name: unknown) => typeof name === "string" && name !== "" && name.length <= 200;
  if (Array.isArray(names) && names.length <= NO_RETRY_MAX && names.every(valid)) return names;
  throw notNames(names);
}

function notNames(names: unknown): InvalidOptionsError {
  return new InvalidOptionsError(
    `retry.noRetry must list at most ${NO_RETRY_MAX} names or codes of errors, or in a task's ` +
      `definition also classes; got ${shown(names)}.`,
  );
}

/**
 * Milliseconds until the next attempt, or `undefined` when the last one was used up.
 *
 * `failures` counts the attempts that failed, at least 1; `chance` is a random number in [0, 1).
 */
export function retryDelayMs(
  policy: RetryRecord,
  failures: number,
  chance: number,
): number | undefined {
  if (failures >= policy.attempts) return undefined;
  const full = Math.min(policy.maxMs, fullPauseMs(policy, failures));
  switch (policy.jitter ?? (policy.backoff === "exponential" ? "half" : "none")) {
    case "none":
      return full;
    case "half":
      return Math.round(full * (1 - chance / 2));
    case "full":
      return Math.round(full * (1 - chance));
  }
}

function fullPauseMs({ backoff, delayMs }: RetryRecord, failures: number): number {
  switch (backoff) {
    case "immediate":
      return 0;
    case "constant":
      return delayMs;
    case "linear":
      return delayMs * failures;
    case "exponential":
      return delayMs * 2 ** Math.min(failures - 1, 40);
  }
}

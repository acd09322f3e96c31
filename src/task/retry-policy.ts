import { type Duration, durationMs } from "../base/duration.ts";
import { requireInteger, requireKnownKeys, requireOneOf } from "../base/options.ts";
import type { RetryRecord } from "./records.ts";

/** How the pause before the next attempt grows. */
export type Backoff = "immediate" | "constant" | "exponential";

/** What happens after an attempt failed. */
export interface RetryOptions {
  /** Attempts in all, the first one included, 1 to 1,000. Default 1: no retry. */
  readonly attempts?: number;
  /**
   * `"immediate"`: at once; `"constant"`: after `delay`; `"exponential"` (the default): after
   * `delay`, then twice that, four times, up to `max`, each with up to half of it taken off at
   * random.
   */
  readonly backoff?: Backoff;
  /** The first pause. Default 1 s, from 0 to 1 day. */
  readonly delay?: Duration;
  /** The longest pause. Default 1 h, from 0 to 30 days. */
  readonly max?: Duration;
}

const DAY_MS = 86_400_000;

/** One attempt and no more. */
export const NO_RETRY: RetryRecord = resolveRetry({});

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the member that is not allowed. */
export function resolveRetry(given: RetryOptions): RetryRecord {
  requireKnownKeys("retry", given, ["attempts", "backoff", "delay", "max"]);
  return {
    attempts: requireInteger("retry.attempts", given.attempts ?? 1, 1, 1_000),
    backoff: requireOneOf("retry.backoff", given.backoff ?? "exponential", [
      "immediate",
      "constant",
      "exponential",
    ]),
    delayMs: durationMs("retry.delay", given.delay ?? 1_000, 0, DAY_MS),
    maxMs: durationMs("retry.max", given.max ?? 3_600_000, 0, 30 * DAY_MS),
  };
}

/** A policy of a single enqueue: it is stored, so it holds data only. */
export function resolveStoredRetry(given: RetryOptions): RetryRecord {
  return resolveRetry(given);
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
  switch (policy.backoff) {
    case "immediate":
      return 0;
    case "constant":
      return policy.delayMs;
    case "linear":
      return Math.min(policy.maxMs, policy.delayMs * failures);
    case "exponential": {
      const full = Math.min(policy.maxMs, policy.delayMs * 2 ** Math.min(failures - 1, 40));
      return Math.round(full * (1 - chance / 2));
    }
  }
}

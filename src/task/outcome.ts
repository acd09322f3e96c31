import { type Instant, instantMs } from "../base/date.ts";
import { type Duration, durationMs } from "../base/duration.ts";
import { InvalidOptionsError } from "../base/errors.ts";

/** What a handler may return instead of a result: the task is not done yet. */
export type Directive = Snooze | RetryAt;

const BRAND: unique symbol = Symbol.for("etask.directive");
const DAYS_30_MS = 30 * 86_400_000;
const REASON_LENGTH_MAX = 500;

/** Made by {@link snooze}. */
export interface Snooze {
  readonly [BRAND]: "snooze";
  readonly delayMs: number;
  readonly reason: string | undefined;
}

/** Made by {@link retryAt}. */
export interface RetryAt {
  readonly [BRAND]: "retry-at";
  /** Milliseconds from now, or since the epoch. */
  readonly when: { readonly delayMs: number } | { readonly at: number };
  readonly reason: string | undefined;
}

/**
 * Puts the task off: it goes on after the pause as if this attempt had not been, so no attempt is
 * used up. Return it from the handler. From 0 to 30 days. `reason` says what the task waits for, to
 * those who look at it; at most 500 characters.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) for another duration or reason.
 */
export function snooze(pause: Duration, reason?: string): Snooze {
  requireReason(reason);
  return { [BRAND]: "snooze", delayMs: durationMs("snooze", pause, 0, DAYS_30_MS), reason };
}

/**
 * Ends this attempt as failed, for `reason`, and says when the next one begins: a duration, a
 * `Date`, or text in ISO 8601. When the attempts are used up the task fails. Return it from the
 * handler.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) when `when` is none of these.
 */
export function retryAt(when: Duration | Instant, reason?: string): RetryAt {
  requireReason(reason);
  return { [BRAND]: "retry-at", when: whenOf(when), reason };
}

function requireReason(reason: unknown): void {
  if (reason === undefined) return;
  if (typeof reason === "string" && reason.length <= REASON_LENGTH_MAX) return;
  throw new InvalidOptionsError(`reason must be text of at most ${REASON_LENGTH_MAX} characters.`);
}

function whenOf(when: Duration | Instant): RetryAt["when"] {
  if (when instanceof Date || (typeof when === "string" && /^\d{4}-/.test(when))) {
    return { at: instantMs("retryAt", when) };
  }
  return { delayMs: durationMs("retryAt", when, 0, DAYS_30_MS) };
}

/** Whether a handler returned a {@link Snooze}, also one of another copy of the package. */
export function isSnooze(value: unknown): value is Snooze {
  return brandOf(value) === "snooze";
}

/** Whether a handler returned a {@link RetryAt}, also one of another copy of the package. */
export function isRetryAt(value: unknown): value is RetryAt {
  return brandOf(value) === "retry-at";
}

function brandOf(value: unknown): unknown {
  if (value === null || typeof value !== "object") return undefined;
  return (value as { [BRAND]?: unknown })[BRAND];
}

import { type Duration, durationMs } from "../base/duration.ts";
import { InvalidOptionsError } from "../base/errors.ts";
import { requireKnownKeys, shown } from "../base/options.ts";
import {
  DEFAULT_PRIORITY,
  DEFAULT_QUEUE,
  requireId,
  requireIdPrefix,
  requirePriority,
  requireQueue,
} from "./names.ts";
import type { RetentionRecord, RetryRecord } from "./records.ts";
import { type RetryOptions, resolveRetry } from "./retry-policy.ts";

/** How long a finished task is kept. */
export interface RetentionOptions {
  /** After success. Default 1 h, from 1 min to 10 years. */
  readonly succeeded?: Duration;
  /** After any other end. Default 7 d, from 1 min to 10 years. */
  readonly failed?: Duration;
}

/** What a task's definition and a single enqueue may both say; the enqueue wins. */
export interface TaskOptions {
  /** 1 to 64 characters out of letters, digits and `_ . -`. Default `"default"`. */
  readonly queue?: string;
  /** 0 to 9; 9 runs first. Default 5. */
  readonly priority?: number;
  /** Begins the generated id, as in `"node-7/"`; tasks can be listed and watched by it. */
  readonly idPrefix?: string;
  /** Default: one attempt. */
  readonly retry?: RetryOptions;
  /** A duration for every end, or one for each. */
  readonly retention?: Duration | RetentionOptions;
}

/** What can be said when a task is enqueued. */
export interface DelayOptions extends TaskOptions {
  /**
   * The whole id. A second task with the same id is not created: the handle of the first one is
   * returned with `created: false`.
   */
  readonly id?: string;
  /** Up to 32 short texts that travel with the task, as `ctx.headers`; 4 KiB in all. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** {@link DelayOptions} with every default filled in and every bound checked. */
export interface ResolvedDelayOptions {
  readonly id: string | undefined;
  readonly idPrefix: string;
  readonly queue: string;
  readonly priority: number;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly retry: RetryRecord | undefined;
  readonly retention: RetentionRecord | undefined;
}

/** The names of all {@link TaskOptions}. */
export const TASK_OPTIONS: readonly string[] = [
  "queue",
  "priority",
  "idPrefix",
  "retry",
  "retention",
];
const DELAY_OPTIONS = [...TASK_OPTIONS, "id", "headers"];
const HEADERS_MAX = 32;
const HEADER_BYTES_MAX = 4_096;
const MINUTE_MS = 60_000;
const TEN_YEARS_MS = 3_650 * 86_400_000;

/** How long finished tasks are kept when nobody says otherwise. */
export const DEFAULT_RETENTION: RetentionRecord = {
  succeededMs: 3_600_000,
  failedMs: 7 * 86_400_000,
};

/**
 * Merges a definition's options with those of one enqueue.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed.
 */
export function resolveDelayOptions(
  definition: TaskOptions,
  given: DelayOptions = {},
): ResolvedDelayOptions {
  requireKnownKeys("delay", given, DELAY_OPTIONS);
  if (given.id !== undefined && given.idPrefix !== undefined) {
    throw new InvalidOptionsError("Give either id or idPrefix, not both.");
  }
  const idPrefix = given.idPrefix ?? definition.idPrefix;
  const retry = given.retry;
  const retention = given.retention ?? definition.retention;
  return {
    id: given.id === undefined ? undefined : requireId(given.id),
    idPrefix: idPrefix === undefined ? "" : requireIdPrefix(idPrefix),
    queue: requireQueue(given.queue ?? definition.queue ?? DEFAULT_QUEUE),
    priority: requirePriority(given.priority ?? definition.priority ?? DEFAULT_PRIORITY),
    headers: given.headers === undefined ? undefined : requireHeaders(given.headers),
    retry: retry === undefined ? undefined : resolveRetry(retry),
    retention: retention === undefined ? undefined : resolveRetention(retention),
  };
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) when a definition's options are not allowed. */
export function checkTaskOptions(definition: TaskOptions): void {
  resolveDelayOptions(definition);
  if (definition.retry !== undefined) resolveRetry(definition.retry);
}

function resolveRetention(given: Duration | RetentionOptions): RetentionRecord {
  if (typeof given !== "object") {
    const ms = durationMs("retention", given, MINUTE_MS, TEN_YEARS_MS);
    return { succeededMs: ms, failedMs: ms };
  }
  requireKnownKeys("retention", given, ["succeeded", "failed"]);
  return {
    succeededMs: durationMs(
      "retention.succeeded",
      given.succeeded ?? DEFAULT_RETENTION.succeededMs,
      MINUTE_MS,
      TEN_YEARS_MS,
    ),
    failedMs: durationMs(
      "retention.failed",
      given.failed ?? DEFAULT_RETENTION.failedMs,
      MINUTE_MS,
      TEN_YEARS_MS,
    ),
  };
}

function requireHeaders(headers: unknown): Readonly<Record<string, string>> {
  if (headers === null || typeof headers !== "object" || Array.isArray(headers)) {
    throw new InvalidOptionsError(`headers must be an object of texts; got ${shown(headers)}.`);
  }
  const entries = Object.entries(headers);
  let bytes = 0;
  for (const [name, value] of entries) {
    if (typeof value !== "string" || name === "__proto__") {
      throw new InvalidOptionsError(`headers.${name} must be a text; got ${shown(value)}.`);
    }
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  if (entries.length > HEADERS_MAX || bytes > HEADER_BYTES_MAX) {
    throw new InvalidOptionsError(
      `headers may have up to ${HEADERS_MAX} members and ${HEADER_BYTES_MAX} bytes; ` +
        `got ${entries.length} members and ${bytes} bytes.`,
    );
  }
  return headers as Readonly<Record<string, string>>;
}

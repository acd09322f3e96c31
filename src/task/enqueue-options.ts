import { type Instant, instantMs } from "../base/date.ts";
import { type Duration, durationMs } from "../base/duration.ts";
import { InvalidOptionsError } from "../base/errors.ts";
import { requireKnownKeys, requireOneOf, shown } from "../base/options.ts";
import {
  type ClaimOptions,
  checkClaims,
  type DebounceOptions,
  type ThrottleOptions,
} from "./claim.ts";
import { CLAIM_KINDS } from "./claim-keys.ts";
import { type IsolateKind, type IsolateOptions, resolveIsolate } from "./isolate.ts";
import {
  DEFAULT_PRIORITY,
  DEFAULT_QUEUE,
  requireId,
  requireIdPrefix,
  requirePriority,
  requireQueue,
} from "./names.ts";
import type { RetentionRecord, RetryRecord, TimeoutRecord } from "./records.ts";
import {
  type RetryOptions,
  resolveRetry,
  resolveStoredRetry,
  type StoredRetryOptions,
} from "./retry-policy.ts";
import { resolveTimeout, type TimeoutOptions } from "./timeout.ts";

/** How long a finished task is kept; 0 removes it as soon as its end is known. */
export interface RetentionOptions {
  /** After success. Default 1 h, at most 10 years. */
  readonly succeeded?: Duration;
  /** After any other end. Default 7 d, at most 10 years. */
  readonly failed?: Duration;
}

/** What a task's definition and a single enqueue may both say; the enqueue wins. */
export interface TaskOptions extends ClaimOptions {
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
  /** How long one attempt may take. Default: as long as it likes. */
  readonly timeout?: Duration | TimeoutOptions;
  /**
   * How long the task may take in all, from when it is first ready: waiting, attempts and the
   * pauses between them. Default: as long as it likes; from 1 s to 10 years.
   */
  readonly totalTimeout?: Duration;
  /** Expires when it was not started so long after it was enqueued. From 1 s to 10 years. */
  readonly expiresIn?: Duration;
  /**
   * `"idle"`: only on a host that has room, and after every task that is not idle. Default
   * `"always"`.
   */
  readonly when?: "always" | "idle";
  /**
   * Of an idle task: while it runs, a host that becomes busy tells it to stop (the signal's reason
   * is `"preempted"`) and gives it back with the attempt not counted. Default false.
   */
  readonly preempt?: boolean;
  /**
   * Where the handler runs: in the worker (`"inline"`, the default), in a thread or in a process of
   * its own, which can be ended by force. A thing of the definition alone.
   */
  readonly isolate?: IsolateKind | IsolateOptions;
}

/** What can be said when a task is enqueued. */
export interface DelayOptions extends Omit<TaskOptions, "isolate"> {
  /**
   * The whole id. A second task with the same id is not created: the handle of the first one is
   * returned with `created: false`.
   */
  readonly id?: string;
  /** Instead of the definition's; it is stored, so it holds no functions. */
  readonly retry?: StoredRetryOptions;
  /** Ready so long from now. At most 10 years. */
  readonly in?: Duration;
  /** Ready at that time; a time that has passed means now. At most 10 years from now. */
  readonly at?: Instant;
  /** Expires when it was not started by then; must lie in the future, and after `at`. */
  readonly expiresAt?: Instant;
  readonly unique?: string;
  readonly throttle?: ThrottleOptions & { readonly key: string };
  readonly debounce?: DebounceOptions & { readonly key: string };
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
  readonly delayMs: number | undefined;
  readonly at: number | undefined;
  readonly expiresInMs: number | undefined;
  readonly expiresAt: number | undefined;
  readonly timeout: TimeoutRecord | undefined;
  readonly totalMs: number | undefined;
  readonly idle: boolean;
  readonly preempt: boolean;
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
  "timeout",
  "totalTimeout",
  "expiresIn",
  "when",
  "preempt",
  "isolate",
  ...CLAIM_KINDS,
];
const DELAY_OPTIONS = [
  ...TASK_OPTIONS.filter((option) => option !== "isolate"),
  ...["id", "headers", "in", "at", "expiresAt"],
];
const HEADERS_MAX = 32;
const HEADER_BYTES_MAX = 4_096;
const SECOND_MS = 1_000;
/** The horizon: nothing is kept, delayed or awaited for longer. */
export const TEN_YEARS_MS: number = 3_650 * 86_400_000;

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
  requireOneOfTwo(given, "in", "at");
  requireOneOfTwo(given, "expiresIn", "expiresAt");
  const idPrefix = given.idPrefix ?? definition.idPrefix;
  const { retry, timeout } = given;
  const retention = given.retention ?? definition.retention;
  return {
    id: given.id === undefined ? undefined : requireId(given.id),
    idPrefix: idPrefix === undefined ? "" : requireIdPrefix(idPrefix),
    queue: requireQueue(given.queue ?? definition.queue ?? DEFAULT_QUEUE),
    priority: requirePriority(given.priority ?? definition.priority ?? DEFAULT_PRIORITY),
    headers: given.headers === undefined ? undefined : requireHeaders(given.headers),
    ...resolveTimes(definition, given),
    ...resolveIdle(definition, given),
    timeout: timeout === undefined ? undefined : resolveTimeout(timeout),
    retry: retry === undefined ? undefined : resolveStoredRetry(retry),
    retention: retention === undefined ? undefined : resolveRetention(retention),
  };
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) when a definition's options are not allowed. */
export function checkTaskOptions(definition: TaskOptions): void {
  resolveDelayOptions(definition);
  checkClaims(definition);
  if (definition.retry !== undefined) resolveRetry(definition.retry);
  if (definition.timeout !== undefined) resolveTimeout(definition.timeout);
  resolveIsolate(definition.isolate);
}

function resolveIdle(definition: TaskOptions, given: DelayOptions) {
  const when = requireOneOf("when", given.when ?? definition.when ?? "always", ["always", "idle"]);
  const preempt = given.preempt ?? definition.preempt ?? false;
  if (typeof preempt !== "boolean") {
    throw new InvalidOptionsError(`preempt must be true or false; got ${shown(preempt)}.`);
  }
  const idle = when === "idle";
  if (given.preempt && !idle) {
    throw new InvalidOptionsError('preempt goes with idle tasks only: say when: "idle", too.');
  }
  return { idle, preempt: idle && preempt };
}

function requireOneOfTwo(given: DelayOptions, a: keyof DelayOptions, b: keyof DelayOptions): void {
  if (given[a] === undefined || given[b] === undefined) return;
  throw new InvalidOptionsError(`Give either ${a} or ${b}, not both.`);
}

function resolveTimes(definition: TaskOptions, given: DelayOptions) {
  const { at, expiresAt } = given;
  const expiresIn = expiresAt === undefined ? (given.expiresIn ?? definition.expiresIn) : undefined;
  const totalTimeout = given.totalTimeout ?? definition.totalTimeout;
  const bounded = (option: string, duration: Duration | undefined, min: number) =>
    duration === undefined ? undefined : durationMs(option, duration, min, TEN_YEARS_MS);
  return {
    delayMs: bounded("in", given.in, 0),
    at: at === undefined ? undefined : instantMs("at", at),
    expiresInMs: bounded("expiresIn", expiresIn, SECOND_MS),
    expiresAt: expiresAt === undefined ? undefined : instantMs("expiresAt", expiresAt),
    totalMs: bounded("totalTimeout", totalTimeout, SECOND_MS),
  };
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the member that is not allowed. */
export function resolveRetention(given: Duration | RetentionOptions): RetentionRecord {
  if (typeof given !== "object") {
    const ms = durationMs("retention", given, 0, TEN_YEARS_MS);
    return { succeededMs: ms, failedMs: ms };
  }
  requireKnownKeys("retention", given, ["succeeded", "failed"]);
  return {
    succeededMs: durationMs(
      "retention.succeeded",
      given.succeeded ?? DEFAULT_RETENTION.succeededMs,
      0,
      TEN_YEARS_MS,
    ),
    failedMs: durationMs(
      "retention.failed",
      given.failed ?? DEFAULT_RETENTION.failedMs,
      0,
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

import { InvalidOptionsError } from "../base/errors.ts";
import { encodeJson, PayloadTooLargeError, requireJson } from "../base/json.ts";
import type { ResolvedClaim, ResolvedDebounce } from "../task/claim.ts";
import { type ResolvedDelayOptions, TEN_YEARS_MS } from "../task/enqueue-options.ts";
import type { EnqueueRequest } from "../task/enqueuer.ts";
import { encodeRecord, type SpecRecord } from "../task/records.ts";

/** A task's spec, and its bytes as they go into the store. */
export interface EncodedSpec {
  readonly spec: SpecRecord;
  readonly bytes: Buffer;
  /** How it joins the task of an earlier call. */
  readonly debounce?: ResolvedDebounce | undefined;
}

/** What gives a new task its identity. */
export interface SpecFacts {
  /**
   * A fresh ULID: the end of the generated id, or the place in the queue of a task with a given id.
   */
  readonly sequence: string;
  readonly createdAt: number;
  readonly payloadBytesMax: number;
  /** Which of many inputs it is, as in `[3]`; empty for a single one. */
  readonly at: string;
}

/**
 * Makes the spec of a request.
 *
 * @throws NotJsonError (`NOT_JSON`) naming the member of the input that JSON cannot hold.
 * @throws PayloadTooLargeError (`PAYLOAD_TOO_LARGE`) when the input is larger than allowed.
 */
export function encodeSpec(request: EnqueueRequest, facts: SpecFacts): EncodedSpec {
  const { name, input, options } = request;
  if (input !== undefined) requireJson(`input${facts.at}`, input);
  const { claim } = request;
  const debounce = claim?.kind === "debounce" ? claim : undefined;
  const timed = debounce ? { ...options, delayMs: debounce.waitMs } : options;
  const { dueAt, expiresAt, deadlineAt } = timesOf(timed, facts.createdAt);
  const spec: SpecRecord = {
    id: options.id ?? `${options.idPrefix}${facts.sequence}`,
    name,
    queue: options.queue,
    priority: options.priority,
    ...(input === undefined ? undefined : { input }),
    ...(options.headers && { headers: options.headers }),
    createdAt: facts.createdAt,
    ...(options.id === undefined ? undefined : { sequence: facts.sequence }),
    ...(dueAt === undefined ? undefined : { dueAt }),
    ...(expiresAt === undefined ? undefined : { expiresAt }),
    ...(deadlineAt === undefined ? undefined : { deadlineAt, totalMs: options.totalMs as number }),
    ...(options.idle ? { when: "idle" } : undefined),
    ...(options.preempt ? { preempt: true } : undefined),
    ...(options.timeout && { timeout: options.timeout }),
    ...(options.retry && { retry: options.retry }),
    ...(options.retention && { retention: options.retention }),
    ...(request.schedule && { schedule: request.schedule }),
    ...(claim && claimMembers(claim, facts.createdAt)),
  };
  const bytes = encodeRecord(spec);
  if (bytes.byteLength > facts.payloadBytesMax) {
    requirePayload(`The input${facts.at} of ${name}`, input, facts.payloadBytesMax);
  }
  return { spec, bytes, debounce };
}

/** What a spec says of its task's claim. */
function claimMembers(
  claim: ResolvedClaim,
  now: number,
): Pick<SpecRecord, "unique" | "throttle" | "debounce"> {
  const { kind, key } = claim;
  switch (kind) {
    case "unique":
      return { unique: key };
    case "throttle":
      return { throttle: { key, until: now + claim.perMs } };
    case "debounce":
      return { debounce: { key, latestAt: now + claim.maxWaitMs } };
  }
}

interface Times {
  /** `undefined`: ready at once. */
  readonly dueAt: number | undefined;
  readonly expiresAt: number | undefined;
  readonly deadlineAt: number | undefined;
}

/**
 * The times of a task that is enqueued at `now`.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) when it would be due beyond the horizon or expire
 *   before it may start.
 */
function timesOf(options: ResolvedDelayOptions, now: number): Times {
  const at = options.at ?? (options.delayMs === undefined ? undefined : now + options.delayMs);
  if (at !== undefined && at > now + TEN_YEARS_MS) {
    throw new InvalidOptionsError(
      `at must be at most 10 years from now; got ${new Date(at).toISOString()}.`,
    );
  }
  const dueAt = at !== undefined && at > now ? at : undefined;
  const readyAt = dueAt ?? now;
  const { expiresInMs, totalMs } = options;
  const expiresAt =
    options.expiresAt ?? (expiresInMs === undefined ? undefined : now + expiresInMs);
  if (expiresAt !== undefined && expiresAt <= readyAt) {
    throw new InvalidOptionsError(
      `The task would expire at ${new Date(expiresAt).toISOString()}, before it may start at ` +
        `${new Date(readyAt).toISOString()}; give a later expiresAt or expiresIn.`,
    );
  }
  return { dueAt, expiresAt, deadlineAt: totalMs === undefined ? undefined : readyAt + totalMs };
}

/**
 * Checks what the handler of a task returned.
 *
 * @throws NotJsonError (`NOT_JSON`) or PayloadTooLargeError (`PAYLOAD_TOO_LARGE`).
 */
export function requireResult(name: string, result: unknown, bytesMax: number): void {
  if (result !== undefined) requireJson("result", result);
  requirePayload(`The result of ${name}`, result, bytesMax);
}

/**
 * @throws PayloadTooLargeError (`PAYLOAD_TOO_LARGE`) when `value` as JSON has more than `bytesMax`.
 */
export function requirePayload(what: string, value: unknown, bytesMax: number): void {
  if (value === undefined) return;
  const { byteLength } = encodeJson(value);
  if (byteLength <= bytesMax) return;
  throw new PayloadTooLargeError(
    `${what} has ${byteLength} bytes as JSON; at most ${bytesMax} are allowed. ` +
      "Store it elsewhere and pass a reference, or raise payloadBytesMax (up to 1 MiB).",
  );
}

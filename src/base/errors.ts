/**
 * Every stable error code. A code names what the reader can do about it, not where it arose;
 * `docs/errors.md` explains each one, and a test compares the two lists.
 */
export const ERROR_CODES = [
  "INVALID_OPTIONS",
  "INVALID_INPUT",
  "NOT_JSON",
  "PAYLOAD_TOO_LARGE",
  "INVALID_COMMIT",
  "UNKNOWN_TASK",
  "TASK_UNBOUND",
  "TASK_DUPLICATE",
  "TASK_NOT_FOUND",
  "TASK_RUNNING",
  "TASK_ENDED",
  "TASK_NOT_ENDED",
  "TASK_NOT_UNIQUE",
  "TASK_FAILED",
  "FINAL_ERROR",
  "TASK_CANCELLED",
  "TASK_EXPIRED",
  "ENQUEUE_PARTIAL",
  "WAIT_TIMEOUT",
  "ATTEMPT_STALE",
  "ATTEMPT_ABORTED",
  "ATTEMPT_TIMEOUT",
  "TASK_NOT_LOADABLE",
  "RUNNER_DIED",
  "MEMORY_LIMIT",
  "NOT_IN_RUNNER",
  "INVALID_SCHEDULE",
  "SCHEDULE_NOT_FOUND",
  "SCHEDULE_EXISTS",
  "SCHEDULE_CONFLICT",
  "RECORD_MALFORMED",
  "SCHEMA_VERSION",
  "STORE_UNAVAILABLE",
  "STORE_DENIED",
  "STORE_FULL",
  "STORE_NEARLY_FULL",
  "STORE_BUSY",
  "STORE_REFUSED",
  "STORE_CLOSED",
  "STORE_URL",
  "HISTORY_LOST",
  "LEASE_LOST",
  "AGENT_GONE",
  "AGENT_RESTARTED",
  "AGENT_ABSENT",
  "AGENT_BUSY",
  "AGENT_METHOD_UNKNOWN",
  "AGENT_PROTOCOL",
  "AGENT_NAME_TAKEN",
  "RPC_UNAVAILABLE",
  "RPC_DENIED",
  "RPC_FAILED",
  "HTTP_STATUS",
  "HTTP_UNREACHABLE",
  "HTTP_REFUSED_ADDRESS",
  "HTTP_BODY_TOO_LARGE",
  "HTTP_BAD_RESPONSE",
  "COMMAND_FAILED",
  "COMMAND_NOT_FOUND",
  "COMMAND_NOT_EXECUTABLE",
  "COMMAND_BAD_OUTPUT",
] as const;

/** One of {@link ERROR_CODES}. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** Whether a write may have landed: `"no"` is certain, `"unknown"` means that it may have. */
export type Applied = "no" | "unknown";

/**
 * Root of every error that etask throws.
 *
 * Branch on `code`: it is stable and survives two copies of the package in one process, which
 * `instanceof` does not.
 */
export abstract class EtaskError extends Error {
  abstract readonly code: ErrorCode;

  override get name(): string {
    return this.constructor.name;
  }
}

/** True for any error thrown by etask, also by another copy of the package. */
export function isEtaskError(error: unknown): error is EtaskError {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return ERROR_CODES.some((known) => known === code);
}

/**
 * The caller gave an option that is not allowed. Thrown before any I/O; never worth a retry.
 *
 * The message names the option, what was given, what is allowed and what to do.
 */
export class InvalidOptionsError extends EtaskError {
  readonly code = "INVALID_OPTIONS";
}

/** A wait ended because its time was over; what was waited for goes on. */
export class WaitTimeoutError extends EtaskError {
  readonly code = "WAIT_TIMEOUT";
}

/** A record in the store is not one of ours, or is damaged. It is left alone and reported. */
export class RecordMalformedError extends EtaskError {
  readonly code = "RECORD_MALFORMED";
}

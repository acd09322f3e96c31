import { EtaskError } from "../../base/errors.ts";
import type { FailureHints } from "../../task/failure.ts";

/** The server answered with a status that is no success. */
export class HttpStatusError extends EtaskError implements FailureHints {
  readonly code = "HTTP_STATUS";
  readonly status: number;
  /** The beginning of the response's body, as text. */
  readonly body: string;
  /** Whether no further attempt can mend it: true but for 202, 408, 425, 429 and 5xx. */
  readonly final: boolean;
  readonly retryAfterMs?: number;

  constructor(
    message: string,
    facts: { status: number; body: string; retryAfterMs: number | undefined },
  ) {
    super(message);
    this.status = facts.status;
    this.body = facts.body;
    this.final = !isRetryable(facts.status);
    if (facts.retryAfterMs !== undefined) this.retryAfterMs = facts.retryAfterMs;
  }
}

const RETRYABLE: ReadonlySet<number> = new Set([202, 408, 425, 429]);

/** Whether a later request may meet another answer than this one. */
export function isRetryable(status: number): boolean {
  return status >= 500 || RETRYABLE.has(status);
}

/** No whole answer came: no connection, a cut one, or silence for too long. Worth a retry. */
export class HttpUnreachableError extends EtaskError {
  readonly code = "HTTP_UNREACHABLE";
}

/** The task may not call that address. Nothing was sent to it; no retry can help. */
export class HttpRefusedAddressError extends EtaskError implements FailureHints {
  readonly code = "HTTP_REFUSED_ADDRESS";
  readonly final = true;
}

/** The response's body is larger than `responseBytesMax`. What was read is thrown away. */
export class HttpBodyTooLargeError extends EtaskError implements FailureHints {
  readonly code = "HTTP_BODY_TOO_LARGE";
  readonly final = true;
}

/** The server answered with something that cannot be understood or does not fit `output`. */
export class HttpBadResponseError extends EtaskError implements FailureHints {
  readonly code = "HTTP_BAD_RESPONSE";
  readonly final = true;
}

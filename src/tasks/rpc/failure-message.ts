/** Errors on their way from an agent's handler to the task that called it. */
import { failureOf, hintsOf, rebuildError, type TaskFailure } from "../../task/failure.ts";
import type { FailureMessage } from "./protocol.ts";

/** What is sent of whatever a handler threw: bounded, with its hints. */
export function failureMessage(thrown: unknown): FailureMessage {
  const { final, retryAfterMs } = hintsOf(thrown);
  return {
    ...messageOf(failureOf(thrown)),
    final: final ?? false,
    // What is smaller than a millisecond is no pause, and more than 30 days is none either.
    retryAfterMs: Math.min(Math.ceil(retryAfterMs ?? 0), RETRY_AFTER_MS_MAX),
  };
}

const RETRY_AFTER_MS_MAX = 30 * 86_400_000;

function messageOf({ cause, ...failure }: TaskFailure): FailureMessage {
  return { ...failure, ...(cause === undefined ? undefined : { cause: messageOf(cause) }) };
}

/** An error like the one that was thrown, with its hints. */
export function errorOf(message: FailureMessage): Error {
  const { final, retryAfterMs } = message;
  return rebuildError(failureIn(message), {
    ...(final ? { final } : undefined),
    ...(retryAfterMs ? { retryAfterMs } : undefined),
  });
}

/** On the way, what is not there is empty. */
function failureIn({ name, message, code, stack, cause }: FailureMessage): TaskFailure {
  return {
    name,
    message,
    ...(code ? { code } : undefined),
    ...(stack ? { stack } : undefined),
    ...(cause ? { cause: failureIn(cause) } : undefined),
  };
}

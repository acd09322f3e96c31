/** Errors on their way from an agent's handler to the task that called it. */
import { failureOf, hintsOf, type TaskFailure } from "../../task/failure.ts";
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

/** An error with the name, message, code, stack, cause and hints of the one that was thrown. */
export function errorOf(message: FailureMessage): Error {
  const { cause, code, final, name, retryAfterMs, stack } = message;
  const error = new Error(message.message, cause ? { cause: errorOf(cause) } : undefined);
  const members = {
    name,
    ...(code ? { code } : undefined),
    ...(final ? { final } : undefined),
    ...(retryAfterMs ? { retryAfterMs } : undefined),
  };
  for (const [member, value] of Object.entries(members)) {
    Object.defineProperty(error, member, { value, configurable: true });
  }
  // Where it was thrown says more than where it arrived.
  if (stack) error.stack = stack;
  return error;
}

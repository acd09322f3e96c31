import type { FailureHints, TaskFailure } from "../../task/failure.ts";

/** Errors that a runner threw; there the definition's code has been asked about them already. */
const judgedThere = new WeakSet<object>();

/**
 * An error like the one that was thrown in a runner: with its name, message, code, stack and cause,
 * but not of its class.
 */
export function rebuildError(failure: TaskFailure, hints: FailureHints = {}): Error {
  const { name, message, code, stack, cause } = failure;
  const error = new Error(message);
  const members = {
    name,
    stack,
    ...(code === undefined ? undefined : { code }),
    ...(cause === undefined ? undefined : { cause: rebuildError(cause) }),
    ...hints,
  };
  for (const [member, value] of Object.entries(members)) {
    Object.defineProperty(error, member, { value, writable: true, configurable: true });
  }
  judgedThere.add(error);
  return error;
}

/** Whether a runner threw it, and has asked the definition's code whether it is final. */
export function wasJudgedThere(thrown: unknown): boolean {
  return typeof thrown === "object" && thrown !== null && judgedThere.has(thrown);
}

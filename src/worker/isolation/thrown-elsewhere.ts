import { type FailureHints, rebuildError, type TaskFailure } from "../../task/failure.ts";

/** Errors that a runner threw; there the definition's code has been asked about them already. */
const judgedThere = new WeakSet<object>();

/** An error like the one that a handler threw in a runner, judged there. */
export function thrownThere(failure: TaskFailure, hints: FailureHints): Error {
  const error = rebuildError(failure, hints);
  judgedThere.add(error);
  return error;
}

/** Whether a runner threw it, and has asked the definition's code whether it is final. */
export function wasJudgedThere(thrown: unknown): boolean {
  return typeof thrown === "object" && thrown !== null && judgedThere.has(thrown);
}

import { NotInRunnerError } from "./isolation-errors.ts";

/** Seen by every copy of the package. */
const MARK = Symbol.for("etask.runner");

/** Says that this thread or process is a runner. */
export function markRunner(): void {
  Object.defineProperty(globalThis, MARK, { value: true });
}

/**
 * A module that starts a worker while it is loaded would, in a runner, start one that starts
 * runners, and so on.
 *
 * @throws NotInRunnerError (`NOT_IN_RUNNER`) in a runner.
 */
export function refuseInRunner(): void {
  if (!(MARK in globalThis)) return;
  throw new NotInRunnerError(
    "A worker cannot be started in an isolated runner. A runner loads the module that defines the " +
      "task: keep what starts workers in another module.",
  );
}

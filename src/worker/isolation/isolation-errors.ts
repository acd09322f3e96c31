import { EtaskError } from "../../base/errors.ts";

/**
 * A task that is to run isolated cannot be loaded in a runner. The message names the task, the
 * module and the reason.
 */
export class TaskNotLoadableError extends EtaskError {
  readonly code = "TASK_NOT_LOADABLE";
}

/** The thread or process that ran the attempt ended in the middle of it. */
export class RunnerDiedError extends EtaskError {
  readonly code = "RUNNER_DIED";
}

/** The attempt used more memory than its runner may. */
export class MemoryLimitError extends EtaskError {
  readonly code = "MEMORY_LIMIT";
}

/** What was asked for is there in the worker's own thread only, not in an isolated runner. */
export class NotInRunnerError extends EtaskError {
  readonly code = "NOT_IN_RUNNER";
}

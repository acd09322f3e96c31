import type { Duration } from "../base/duration.ts";
import type { Revision } from "../store/store.ts";
import type { TaskFailure } from "./failure.ts";
import type { TaskView } from "./view.ts";

/** How long to wait. Both may be given; whichever comes first ends the wait, never the task. */
export interface WaitOptions {
  /** Default: no limit. From 1 ms to 24 days. */
  readonly timeout?: Duration;
  readonly signal?: AbortSignal;
}

/** How a task ended. */
export type Settlement<Out = unknown> =
  | { readonly state: "succeeded"; readonly result: Out }
  | { readonly state: "failed"; readonly error: TaskFailure }
  | { readonly state: "cancelled" }
  | { readonly state: "expired" };

/** A task that was handed over: its id at once, the rest when asked for. */
export interface TaskHandle<Out = unknown> {
  readonly id: string;
  /** The revision at which the task was accepted, or, when `created` is false, seen to exist. */
  readonly revision: Revision;
  /** False when a task with this id existed already and no second one was made. */
  readonly created: boolean;

  /**
   * Waits for the task to succeed and returns what its handler returned.
   *
   * @throws TaskFailedError, TaskCancelledError, TaskExpiredError when it ended otherwise.
   * @throws WaitTimeoutError (`WAIT_TIMEOUT`) when the wait is over first; the task goes on.
   * @throws TaskNotFoundError (`TASK_NOT_FOUND`) when the task was removed.
   */
  result(options?: WaitOptions): Promise<Out>;
  /** Waits for the task to end, however it does. Throws only what ends the wait itself. */
  settle(options?: WaitOptions): Promise<Settlement<Out>>;
  /** The task as it is now. @throws TaskNotFoundError (`TASK_NOT_FOUND`) when it was removed. */
  state(): Promise<TaskView>;
  /** The task now and after each change, until it ends or `signal` aborts. */
  watch(options?: { readonly signal?: AbortSignal }): AsyncIterable<TaskView>;
}

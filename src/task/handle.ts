import type { Duration } from "../base/duration.ts";
import type { Revision } from "../store/store.ts";
import type { CancelOptions, CancelReceipt, RedriveOptions, Reschedule } from "./control.ts";
import type { TaskFailure } from "./failure.ts";
import type { LogOptions, LogPage } from "./log.ts";
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
export interface TaskHandle<Out = unknown, Progress = unknown> {
  readonly id: string;
  /** The revision at which the task was accepted, or, when `created` is false, seen to exist. */
  readonly revision: Revision;
  /** False when there was a task of this id or claim already and no second one was made. */
  readonly created: boolean;
  /**
   * What the call has done: `"created"` a task, `"joined"` one that was there, or `"replaced"` the
   * input of one, by `debounce`.
   */
  readonly enqueued: "created" | "joined" | "replaced";

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
  state(): Promise<TaskView<Progress>>;
  /** The task now and after each change, until it ends or `signal` aborts. */
  watch(options?: { readonly signal?: AbortSignal }): AsyncIterable<TaskView<Progress>>;
  /** What its attempts logged, the newest 128 KiB of it, in order. */
  log(options?: LogOptions): Promise<LogPage>;

  /**
   * Cancels it: at once when it waits; when it runs, its handler is told through `ctx.signal` and
   * is given up after the grace. The wish is durable and the store decides between it and the end
   * of the handler. The receipt says which it was, also when somebody asked before or it had ended.
   *
   * @throws TaskNotFoundError (`TASK_NOT_FOUND`) when it was removed.
   */
  cancel(options?: CancelOptions): Promise<CancelReceipt>;
  /**
   * Changes when it becomes ready: a scheduled task moves, a pending one waits for the time. Its
   * `expiresAt` and total timeout stay as they are, and a time after them is refused. Returns the
   * revision of the change, as the next two do.
   *
   * @throws TaskRunningError (`TASK_RUNNING`) or TaskEndedError (`TASK_ENDED`) when it does not
   *   wait (any more); nothing was changed.
   */
  reschedule(when: Reschedule): Promise<Revision>;
  /** Changes the priority of a waiting task, 0 to 9. @throws like {@link TaskHandle.reschedule}. */
  setPriority(priority: number): Promise<Revision>;
  /**
   * Gives a waiting task another input, checked by the task's schema where this app knows it.
   *
   * @throws InvalidInputError, NotJsonError or PayloadTooLargeError before anything is written, and
   *   like {@link TaskHandle.reschedule}.
   */
  edit(input: unknown): Promise<Revision>;
  /**
   * Runs a task that has ended once more, however it ended, as a new generation of the same id with
   * its attempts and time limits anew. Resolves to a handle of that generation; this one follows
   * it, too.
   *
   * @throws TaskNotEndedError (`TASK_NOT_ENDED`) when it waits or runs; nothing was changed.
   * @throws TaskNotUniqueError (`TASK_NOT_UNIQUE`) when another task has its `unique` key.
   */
  retry(options?: RedriveOptions): Promise<TaskHandle<Out, Progress>>;
}

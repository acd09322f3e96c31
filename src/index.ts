export { App, type AppOptions, createApp, DEFAULT_STORE } from "./app.ts";
export {
  Backend,
  type BackendWatchOptions,
  type ListOptions,
  type ProgressUpdate,
} from "./backend/backend.ts";
export type { TaskPage } from "./backend/list-tasks.ts";
export type { ChangeKind, TaskChange } from "./backend/watch-tasks.ts";
export type { Clock } from "./base/clock.ts";
export type { Duration } from "./base/duration.ts";
export {
  type Applied,
  type ErrorCode,
  EtaskError,
  InvalidOptionsError,
  isEtaskError,
  RecordMalformedError,
  WaitTimeoutError,
} from "./base/errors.ts";
export type { Events } from "./base/events.ts";
export { NotJsonError, PayloadTooLargeError } from "./base/json.ts";
export type { Random } from "./base/random.ts";
export { Broker, type WaitingPage, type WaitingTask } from "./broker/broker.ts";
export type { TakenTask } from "./broker/consumer.ts";
export type { MoveOptions } from "./broker/edit.ts";
export type { QueueView } from "./broker/queue-view.ts";
export type { WorkerView } from "./broker/worker-view.ts";
export { openStore } from "./store/open-store.ts";
export type { Revision, Store } from "./store/store.ts";
export {
  HistoryLostError,
  LeaseLostError,
  StoreBusyError,
  StoreClosedError,
  StoreDeniedError,
  StoreError,
  StoreFullError,
  StoreRefusedError,
  StoreUnavailableError,
} from "./store/store-errors.ts";
export { StoreUrlError } from "./store/store-url.ts";
export type { TaskContext } from "./task/context.ts";
export type { DelayOptions, RetentionOptions, TaskOptions } from "./task/enqueue-options.ts";
export { EnqueuePartialError, type MissingTask } from "./task/enqueuer.ts";
export {
  type AbortReason,
  AttemptAbortedError,
  AttemptStaleError,
  TaskCancelledError,
  TaskExpiredError,
  TaskFailedError,
  type TaskFailure,
  TaskNotFoundError,
  TaskRunningError,
} from "./task/failure.ts";
export type { Settlement, TaskHandle, WaitOptions } from "./task/handle.ts";
export { InvalidInputError } from "./task/input.ts";
export { SchemaVersionError } from "./task/meta.ts";
export { TaskDuplicateError, UnknownTaskError } from "./task/registry.ts";
export type { Backoff, RetryOptions } from "./task/retry-policy.ts";
export type { FinalState, TaskState } from "./task/state.ts";
export { BaseTask, defineTask, type TaskDefinition, TaskUnboundError } from "./task/task.ts";
export type { ProgressView, TaskView } from "./task/view.ts";
export { Worker } from "./worker/worker.ts";
export type { WorkerOptions } from "./worker/worker-options.ts";

export { App, type AppOptions, createApp, DEFAULT_STORE } from "./app.ts";
export {
  Backend,
  type BackendWatchOptions,
  type FollowLogOptions,
  type ListOptions,
  type ProgressUpdate,
} from "./backend/backend.ts";
export type { TaskPage } from "./backend/list-tasks.ts";
export type { ChangeKind, TaskChange } from "./backend/watch-tasks.ts";
export type { ByteSize } from "./base/byte-size.ts";
export type { Clock } from "./base/clock.ts";
export type { Instant } from "./base/date.ts";
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
export { Beat } from "./beat/beat.ts";
export type { BeatOptions } from "./beat/beat-options.ts";
export { Broker, type WaitingPage, type WaitingTask } from "./broker/broker.ts";
export type { TakenTask } from "./broker/consumer.ts";
export type {
  DeadLetter,
  DeadLetterFilter,
  DeadLetterListOptions,
  DeadLetterPage,
} from "./broker/dead-letters.ts";
export type { MoveOptions } from "./broker/edit.ts";
export type { QueueOptions } from "./broker/queue-settings.ts";
export type { QueueView } from "./broker/queue-view.ts";
export type { DrainOptions, PauseOptions, PurgeOptions, QueueChange } from "./broker/queues.ts";
export { Queues } from "./broker/queues.ts";
export type { RetryManyOptions, RetryManyReport } from "./broker/retry-many.ts";
export type { RoomView, WorkerView } from "./broker/worker-view.ts";
export {
  type DeclaredSchedule,
  defineSchedule,
  type ScheduleDeclaration,
} from "./schedule/define-schedule.ts";
export {
  InvalidScheduleError,
  ScheduleConflictError,
  ScheduleExistsError,
  ScheduleNotFoundError,
} from "./schedule/schedule-errors.ts";
export type { DstOptions, ScheduleOptions, ScheduleSettings } from "./schedule/schedule-options.ts";
export type { Overlap } from "./schedule/schedule-record.ts";
export type { RunView, ScheduleView } from "./schedule/schedule-view.ts";
export { type SchedulePage, Schedules } from "./schedule/schedules.ts";
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
  StoreNearlyFullError,
  StoreRefusedError,
  StoreUnavailableError,
} from "./store/store-errors.ts";
export { StoreUrlError } from "./store/store-url.ts";
export type { StoreUpkeep, StoreUsage } from "./store/upkeep.ts";
export type { ClaimOptions, DebounceOptions, KeyOf, ThrottleOptions } from "./task/claim.ts";
export type { TaskContext } from "./task/context.ts";
export type {
  CancelOptions,
  CancelReceipt,
  EditOptions,
  RedriveOptions,
  RedriveReceipt,
  Reschedule,
  TaskControl,
} from "./task/control.ts";
export type { DelayOptions, RetentionOptions, TaskOptions } from "./task/enqueue-options.ts";
export { EnqueuePartialError, type MissingTask } from "./task/enqueuer.ts";
export {
  type AbortReason,
  AttemptAbortedError,
  AttemptStaleError,
  type FailureHints,
  FinalError,
  TaskCancelledError,
  TaskEndedError,
  TaskExpiredError,
  TaskFailedError,
  type TaskFailure,
  TaskNotEndedError,
  TaskNotFoundError,
  TaskNotUniqueError,
  TaskRunningError,
  TimeoutError,
} from "./task/failure.ts";
export type { Settlement, TaskHandle, WaitOptions } from "./task/handle.ts";
export { InvalidInputError } from "./task/input.ts";
export type { IsolateKind, IsolateOptions } from "./task/isolate.ts";
export type { LogLine, LogOptions, LogPage } from "./task/log.ts";
export { SchemaVersionError } from "./task/meta.ts";
export { type Directive, type RetryAt, retryAt, type Snooze, snooze } from "./task/outcome.ts";
export type { AttemptOutcome, FailReason } from "./task/records.ts";
export { TaskDuplicateError, UnknownTaskError } from "./task/registry.ts";
export type {
  Backoff,
  ErrorClass,
  Jitter,
  RetryOptions,
  StoredRetryOptions,
} from "./task/retry-policy.ts";
export type { FinalState, TaskState } from "./task/state.ts";
export {
  BaseTask,
  defineTask,
  type Handler,
  type TaskDefinition,
  type TaskExtension,
  TaskUnboundError,
} from "./task/task.ts";
export type { TimeoutOptions } from "./task/timeout.ts";
export type { AttemptView, CancelView, ProgressView, TaskView } from "./task/view.ts";
export {
  MemoryLimitError,
  NotInRunnerError,
  RunnerDiedError,
  TaskNotLoadableError,
} from "./worker/isolation/isolation-errors.ts";
export type { IsolationOptions } from "./worker/isolation/isolation-options.ts";
export type { IdleOptions } from "./worker/room/idle-options.ts";
export { Worker } from "./worker/worker.ts";
export type { WorkerOptions } from "./worker/worker-options.ts";

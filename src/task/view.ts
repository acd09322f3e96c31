import type { Revision } from "../store/store.ts";
import { currentState } from "./current.ts";
import type { TaskFailure } from "./failure.ts";
import type {
  AttemptOutcome,
  AttemptRecord,
  CancelFacts,
  CancelRecord,
  FailReason,
  ProgressRecord,
  SpecRecord,
  StateRecord,
} from "./records.ts";
import { isFinal, type TaskState } from "./state.ts";

/** A task as readers see it. */
export interface TaskView<Progress = unknown> {
  readonly id: string;
  readonly name: string;
  readonly queue: string;
  readonly priority: number;
  readonly state: TaskState;
  /** `"idle"`: only on a host that has room, after all others. */
  readonly when: "always" | "idle";
  /** Given back while it runs when its host has no room any more. */
  readonly preempt: boolean;
  /** Attempts begun, not counting those given back or snoozed. */
  readonly attempt: number;
  /** How often it was made anew after it had ended, plus 1. */
  readonly generation: number;
  /** How often its handler put it off. */
  readonly snoozed: number;
  /** Of a task that its handler put off: what for, if it said so. */
  readonly waitsFor: string | undefined;
  /** Earlier attempts and the last one, in order; at most the last 21. */
  readonly attempts: readonly AttemptView[];
  readonly input: unknown;
  readonly headers: Readonly<Record<string, string>>;
  /** The last progress of the last attempt that reported any. */
  readonly progress: ProgressView<Progress> | undefined;
  /** The worker that runs it, or that ended the last attempt. */
  readonly worker: string | undefined;
  /** Only of a succeeded task. */
  readonly result: unknown;
  /** Why it failed, or why the last attempt did. */
  readonly error: TaskFailure | undefined;
  /** Of a failed task: the kind of reason. */
  readonly reason: FailReason | undefined;
  /** Who cancelled it or wants it cancelled, and why. */
  readonly cancel: CancelView | undefined;
  /** The schedule that made it, and for which instant. */
  readonly schedule: { readonly name: string; readonly tick: Date } | undefined;
  /** The key that it is unique by while it waits or runs. */
  readonly unique: string | undefined;
  /** The key for which no other task is created before `until`. */
  readonly throttle: { readonly key: string; readonly until: Date } | undefined;
  /** The key whose calls move it while it waits, to `latestAt` at the latest. */
  readonly debounce: { readonly key: string; readonly latestAt: Date } | undefined;
  readonly createdAt: Date;
  readonly startedAt: Date | undefined;
  readonly finishedAt: Date | undefined;
  /** Of a scheduled task: when it becomes ready. */
  readonly dueAt: Date | undefined;
  /** When it expires unless it was started. */
  readonly expiresAt: Date | undefined;
  /** When it fails unless it has ended. */
  readonly deadlineAt: Date | undefined;
  /** The revision of the newest change that this view shows. */
  readonly revision: Revision;
}

/** Progress as readers see it. */
export interface ProgressView<Progress = unknown> {
  readonly percent: number;
  /** As the handler gave it; nothing checks it on the way. */
  readonly detail: Progress | undefined;
  readonly at: Date;
}

/** One attempt as readers see it. */
export interface AttemptView {
  readonly attempt: number;
  readonly worker: string;
  readonly startedAt: Date;
  /** Absent while it runs. */
  readonly endedAt: Date | undefined;
  readonly outcome: AttemptOutcome | "running";
  readonly error: TaskFailure | undefined;
}

/** A cancellation as readers see it. */
export interface CancelView {
  readonly reason: string | undefined;
  readonly by: string | undefined;
  readonly at: Date;
  /** The handler did not obey in time. */
  readonly forced: boolean;
}

/** The records of one task, as far as they exist, and the newest of their revisions. */
export interface TaskRecords {
  readonly spec: SpecRecord;
  readonly state?: StateRecord | undefined;
  readonly progress?: ProgressRecord | undefined;
  readonly cancel?: CancelRecord | undefined;
  readonly attempts?: readonly AttemptRecord[];
  readonly revision: Revision;
}

/** Joins a task's records into what readers see. */
export function viewOf({ spec, state, progress, cancel, ...rest }: TaskRecords): TaskView {
  const current = currentState(spec, state);
  return {
    id: spec.id,
    name: spec.name,
    queue: current.queue ?? spec.queue,
    priority: current.priority ?? spec.priority,
    state: current.state,
    when: spec.when ?? "always",
    preempt: spec.preempt ?? false,
    attempt: current.attempt,
    generation: current.generation ?? 1,
    snoozed: current.snoozed ?? 0,
    waitsFor: current.state === "scheduled" ? current.waitsFor : undefined,
    attempts: attemptViews(rest.attempts ?? [], current),
    input: spec.input,
    headers: spec.headers ?? {},
    progress: progress && progressView(progress),
    worker: current.worker,
    result: current.result,
    error: current.error,
    reason: current.reason,
    cancel: cancelView(current.cancel ?? cancel),
    schedule: spec.schedule && { name: spec.schedule.name, tick: new Date(spec.schedule.tick) },
    ...claimViews(spec),
    createdAt: new Date(spec.createdAt),
    startedAt: dateOf(current.takenAt),
    finishedAt: isFinal(current.state) ? dateOf(current.at) : undefined,
    dueAt: dateOf(current.dueAt),
    expiresAt: dateOf(spec.expiresAt),
    deadlineAt: dateOf(spec.deadlineAt),
    revision: rest.revision,
  };
}

function claimViews({ unique, throttle, debounce }: SpecRecord) {
  return {
    unique,
    throttle: throttle && { key: throttle.key, until: new Date(throttle.until) },
    debounce: debounce && { key: debounce.key, latestAt: new Date(debounce.latestAt) },
  };
}

function attemptViews(earlier: readonly AttemptRecord[], state: StateRecord): AttemptView[] {
  const views = earlier.map(
    ({ startedAt, endedAt, error, ...attempt }): AttemptView => ({
      ...attempt,
      startedAt: new Date(startedAt),
      endedAt: new Date(endedAt),
      error,
    }),
  );
  const outcome = lastOutcome(state);
  const { attempt, worker, takenAt } = state;
  const known = views.at(-1)?.attempt === attempt;
  // One that was given back before it ended is none.
  if (!outcome || known || attempt === 0) return views;
  if (worker === undefined || takenAt === undefined) return views;
  const running = outcome === "running";
  const endedAt = running ? undefined : new Date(state.at);
  const error = running ? undefined : state.error;
  return [...views, { attempt, worker, startedAt: new Date(takenAt), endedAt, outcome, error }];
}

function lastOutcome({ state, reason }: StateRecord): AttemptView["outcome"] | undefined {
  switch (state) {
    case "running":
    case "succeeded":
    case "cancelled":
      return state;
    case "failed":
      return reason === "timeout" || reason === "worker-lost" ? reason : "failed";
    default:
      return undefined;
  }
}

function cancelView(cancel: CancelFacts | undefined): CancelView | undefined {
  if (!cancel) return undefined;
  const { reason, by, at, forced = false } = cancel;
  return { reason, by, at: new Date(at), forced };
}

function progressView({ percent, detail, at }: ProgressRecord): ProgressView {
  return { percent, detail, at: new Date(at) };
}

function dateOf(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms);
}

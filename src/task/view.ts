import type { Revision } from "../store/store.ts";
import type { TaskFailure } from "./failure.ts";
import type { ProgressRecord, SpecRecord, StateRecord } from "./records.ts";
import type { TaskState } from "./state.ts";

/** A task as readers see it. */
export interface TaskView {
  readonly id: string;
  readonly name: string;
  readonly queue: string;
  readonly priority: number;
  readonly state: TaskState;
  /** Attempts begun. */
  readonly attempt: number;
  readonly input: unknown;
  readonly headers: Readonly<Record<string, string>>;
  /** The last progress of the last attempt that reported any. */
  readonly progress: ProgressView | undefined;
  /** The worker that runs it, or that ended the last attempt. */
  readonly worker: string | undefined;
  /** Only of a succeeded task. */
  readonly result: unknown;
  /** Why it failed, or why the last attempt did. */
  readonly error: TaskFailure | undefined;
  readonly createdAt: Date;
  readonly startedAt: Date | undefined;
  readonly finishedAt: Date | undefined;
  /** Of a scheduled task: when it becomes ready. */
  readonly dueAt: Date | undefined;
  /** The revision of the newest change that this view shows. */
  readonly revision: Revision;
}

/** Progress as readers see it. */
export interface ProgressView {
  readonly percent: number;
  readonly detail: unknown;
  readonly at: Date;
}

/** The records of one task, as far as they exist, and the newest of their revisions. */
export interface TaskRecords {
  readonly spec: SpecRecord;
  readonly state?: StateRecord | undefined;
  readonly progress?: ProgressRecord | undefined;
  readonly revision: Revision;
}

/** Joins a task's records into what readers see. */
export function viewOf({ spec, state, progress, revision }: TaskRecords): TaskView {
  const current = state?.state ?? "pending";
  const ended = current === "succeeded" || current === "failed" || current === "cancelled";
  return {
    id: spec.id,
    name: spec.name,
    queue: state?.queue ?? spec.queue,
    priority: state?.priority ?? spec.priority,
    state: current,
    attempt: state?.attempt ?? 0,
    input: spec.input,
    headers: spec.headers ?? {},
    progress: progress && progressView(progress),
    worker: state?.worker,
    result: state?.result,
    error: state?.error,
    createdAt: new Date(spec.createdAt),
    startedAt: dateOf(state?.takenAt),
    finishedAt: ended || current === "expired" ? dateOf(state?.at) : undefined,
    dueAt: dateOf(state?.dueAt),
    revision,
  };
}

function progressView({ percent, detail, at }: ProgressRecord): ProgressView {
  return { percent, detail, at: new Date(at) };
}

function dateOf(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms);
}

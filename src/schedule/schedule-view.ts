import type { Revision } from "../store/store.ts";
import type { RetentionRecord, RetryRecord, TimeoutRecord } from "../task/records.ts";
import type { TaskState } from "../task/state.ts";
import type { StoredSchedule } from "./change-schedule.ts";
import type { DstRecord } from "./cron-ticks.ts";
import type { RunNow } from "./runs.ts";
import type { Overlap } from "./schedule-record.ts";

/** A schedule as readers see it. Durations are milliseconds. */
export interface ScheduleView {
  readonly name: string;
  readonly task: string;
  readonly input: unknown;
  /** The one of these three that it has. */
  readonly every: number | undefined;
  readonly cron: string | undefined;
  readonly at: Date | undefined;
  /** With `cron`. */
  readonly timeZone: string | undefined;
  readonly dst: DstRecord | undefined;
  readonly jitter: number;
  readonly start: Date | undefined;
  readonly end: Date | undefined;
  readonly overlap: Overlap;
  readonly catchUp: "none" | "last" | number;
  readonly queue: string;
  readonly priority: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly expiresIn: number | undefined;
  readonly totalTimeout: number | undefined;
  /** Its tasks are unique by this key. */
  readonly unique: string | undefined;
  readonly when: "always" | "idle";
  readonly preempt: boolean;
  readonly timeout: TimeoutRecord | undefined;
  readonly retry: RetryRecord | undefined;
  readonly retention: RetentionRecord | undefined;
  readonly paused: PauseView | undefined;
  /** When it runs next; `undefined` while it is paused, and when it has no more runs. */
  readonly nextRun: Date | undefined;
  /** The instant of its last run. */
  readonly lastRun: Date | undefined;
  /** The last ten, in order. */
  readonly runs: readonly RunView[];
  /** How many instants made a task, and how many made none. */
  readonly fired: number;
  readonly skipped: number;
  /** Runs that wait for an earlier one to end. */
  readonly buffered: readonly Date[];
  /** The app that declared it, and the version that it gave. */
  readonly declared: { readonly app: string; readonly version: number } | undefined;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly revision: Revision;
}

/** One run as readers see it. */
export interface RunView {
  /** The instant that it stands for. */
  readonly tick: Date;
  /** Of its task. */
  readonly id: string;
  /** Of its task; `"removed"` when that is not kept any more and its end was not seen. */
  readonly state: TaskState | "removed";
  /** It was asked for by hand. */
  readonly triggered: boolean;
}

/** Since when a schedule is paused, by whom and why. */
export interface PauseView {
  readonly at: Date;
  readonly by: string | undefined;
  readonly reason: string | undefined;
}

/** Joins a schedule and what became of its runs into what readers see. */
export function scheduleView(
  { name, record, revision }: StoredSchedule,
  runs: readonly RunNow[],
): ScheduleView {
  const { definition, paused, declared } = record;
  const { rhythm } = definition;
  return {
    name,
    task: definition.task,
    input: definition.input,
    every: "everyMs" in rhythm ? rhythm.everyMs : undefined,
    cron: "cron" in rhythm ? rhythm.cron : undefined,
    at: "at" in rhythm ? new Date(rhythm.at) : undefined,
    timeZone: "cron" in rhythm ? rhythm.timeZone : undefined,
    dst: "cron" in rhythm ? rhythm.dst : undefined,
    jitter: definition.jitterMs ?? 0,
    start: dateOf(rhythm.startAt),
    end: dateOf(rhythm.endAt),
    overlap: definition.overlap,
    catchUp: definition.catchUp,
    queue: definition.queue,
    priority: definition.priority,
    headers: definition.headers ?? {},
    expiresIn: definition.expiresInMs,
    totalTimeout: definition.totalMs,
    unique: definition.unique,
    when: definition.when ?? "always",
    preempt: definition.preempt ?? false,
    timeout: definition.timeout,
    retry: definition.retry,
    retention: definition.retention,
    paused: paused && { at: new Date(paused.at), by: paused.by, reason: paused.reason },
    nextRun: paused ? undefined : dateOf(record.nextTick),
    lastRun: dateOf(record.runs.findLast(({ triggered }) => !triggered)?.tick),
    runs: runs.map(runView),
    fired: record.fired,
    skipped: record.skipped,
    buffered: record.buffered.map((tick) => new Date(tick)),
    declared: declared && { app: declared.app, version: declared.version },
    createdAt: new Date(record.createdAt),
    updatedAt: new Date(record.updatedAt),
    revision,
  };
}

function runView({ tick, id, state, triggered = false }: RunNow): RunView {
  return { tick: new Date(tick), id, state, triggered };
}

function dateOf(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms);
}

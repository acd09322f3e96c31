import type { Instant } from "../base/date.ts";
import type { Duration } from "../base/duration.ts";
import type { DelayOptions } from "../task/enqueue-options.ts";
import type { BaseTask } from "../task/task.ts";
import type { Overlap } from "./schedule-record.ts";

/** What becomes of runs where the clock is put forward or back. */
export interface DstOptions {
  /**
   * Wall-clock times that never come: run as long after the change as they would have come without
   * it, or not at all. Default `"shift"`.
   */
  readonly missing?: "shift" | "skip";
  /** Wall-clock times that come twice: run the first time, or both times. Default `"first"`. */
  readonly repeated?: "first" | "both";
}

/** What can be said of the tasks that a schedule makes; see {@link DelayOptions}. */
export type ScheduledTaskOptions = Pick<
  DelayOptions,
  | "queue"
  | "priority"
  | "headers"
  | "retry"
  | "retention"
  | "timeout"
  | "totalTimeout"
  | "expiresIn"
  | "unique"
  | "when"
  | "preempt"
>;

/** When a schedule runs, and what happens when a run cannot come as planned. */
export interface ScheduleSettings extends ScheduledTaskOptions {
  /** An interval from 1 s to 10 years, counted from `start`, else from the Unix epoch. */
  readonly every?: Duration;
  /** A cron expression of 5 fields, 6 with seconds first, or `@daily` and the like. */
  readonly cron?: string;
  /** A single run. */
  readonly at?: Instant;
  /** The zone of `cron`, as in `"Europe/Berlin"`. Default `"UTC"`. */
  readonly timeZone?: string;
  /** Where the clock of that zone is changed. */
  readonly dst?: DstOptions;
  /**
   * Each run starts up to so long after its instant; how long follows from the instant and the
   * schedule's name. Default 0, at most 1 day.
   */
  readonly jitter?: Duration;
  /** No run before it. */
  readonly start?: Instant;
  /** No run after it. */
  readonly end?: Instant;
  /**
   * While the run before has not ended: leave this one out (`"skip"`, the default), let one or all
   * wait for it, cancel it and then run, or run beside it.
   */
  readonly overlap?: Overlap;
  /**
   * Runs that were missed because no Beat ran: none of them, the last one (the default), or all
   * that were missed within a duration, from 1 s to 10 years. A run is missed when it is more than
   * 10 s late.
   */
  readonly catchUp?: "none" | "last" | Duration;
}

/** The task that a schedule runs: one by its name with any input, or a task with its own input. */
export type ScheduledCall<In> =
  | { readonly task: string; readonly input?: unknown }
  | ({ readonly task: BaseTask<In, unknown, unknown> } & (undefined extends In
      ? { readonly input?: In }
      : { readonly input: In }));

/** What a schedule is made of: a task with its input, and exactly one of `every`, `cron`, `at`. */
export type ScheduleOptions<In = unknown> = ScheduleSettings & ScheduledCall<In>;

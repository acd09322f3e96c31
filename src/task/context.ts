import type { Revision, Store } from "../store/store.ts";

/** What a handler knows and may do while it runs one attempt. */
export interface TaskContext<Progress = unknown> {
  readonly id: string;
  readonly name: string;
  readonly queue: string;
  readonly priority: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Which attempt this is, from 1. */
  readonly attempt: number;
  /**
   * The revision at which this attempt was taken. It grows from attempt to attempt of a task, so an
   * outside system that remembers the highest one seen can refuse a stale attempt.
   */
  readonly fence: Revision;
  /**
   * Aborts when the attempt must stop; `signal.reason` is an `AttemptAbortedError` that says why.
   */
  readonly signal: AbortSignal;
  /**
   * Sets the progress: 0 to 100, clamped, rounded to 4 decimals, with a detail that is JSON of at
   * most 16 KiB. Written at most once in 250 ms; the last one always lands, at the latest with the
   * outcome. Returns at once and never fails because of the store.
   *
   * @throws InvalidOptionsError, NotJsonError or PayloadTooLargeError for a bad percentage or
   *   detail.
   */
  progress(percent: number, detail?: Progress): void;
  /** Adds to the progress; otherwise like {@link TaskContext.progress}. */
  advance(delta: number, detail?: Progress): void;
  /**
   * Adds text to the task's log, one line or several. The newest 128 KiB are kept with the task, a
   * line of more than 4,096 characters is cut. Written at most twice a second; what is left goes
   * along with the outcome. Returns at once and never fails because of the store.
   *
   * @throws InvalidOptionsError (`INVALID_OPTIONS`) for anything but text.
   */
  log(text: string): void;
  /** The app's store, for a task that keeps something beside itself. */
  readonly store: Store;
}

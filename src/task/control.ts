/** What can be done about a task from outside; the broker does it, handles offer it. */
import type { Instant } from "../base/date.ts";
import type { Duration } from "../base/duration.ts";
import type { Revision } from "../store/store.ts";
import type { TaskState } from "./state.ts";

/** Who cancels a task, why, and how long its handler has to obey. */
export interface CancelOptions {
  /** Up to 500 characters, shown to whoever looks at the task. */
  readonly reason?: string;
  /** Who wants it, up to 100 characters. */
  readonly by?: string;
  /** A running handler has so long before it is given up. Default 10 s, from 0 to 1 day. */
  readonly grace?: Duration;
}

/** What a cancellation has come to. */
export interface CancelReceipt {
  readonly id: string;
  /**
   * `"cancelled"`: it waited, now it has ended. `"requested"`: it runs, its worker is told and
   * records the end, unless the handler finishes first. `"already-requested"`: it runs and somebody
   * asked before. `"ended"`: it had ended before, as `state` says.
   */
  readonly outcome: "cancelled" | "requested" | "already-requested" | "ended";
  /** The task's state at `revision`. */
  readonly state: TaskState;
  /** When that was so. */
  readonly revision: Revision;
}

/** When a waiting task is to become ready. */
export type Reschedule = { readonly in: Duration } | { readonly at: Instant } | "now";

/** What can change of a task that waits, or is to run once more; what is left out stays. */
export interface EditOptions {
  /** Instead of the old input. */
  readonly input?: unknown;
  readonly queue?: string;
  /** 0 to 9; 9 runs first. */
  readonly priority?: number;
  /** Ready so long from now. At most 10 years. */
  readonly in?: Duration;
  /** Ready at that time; a time that has passed means now. At most 10 years from now. */
  readonly at?: Instant;
}

/** How a task that has ended is to run once more. */
export type RedriveOptions = EditOptions;

/** A task that was made anew. */
export interface RedriveReceipt {
  readonly id: string;
  readonly revision: Revision;
  /** 2 after the first time. */
  readonly generation: number;
}

/** The acts behind a handle; every one is a single guarded commit, repeated until it holds. */
export interface TaskControl {
  /** See `TaskHandle.cancel`. */
  cancel(id: string, options?: CancelOptions): Promise<CancelReceipt>;
  /** See `TaskHandle.reschedule`. */
  reschedule(id: string, when: Reschedule): Promise<Revision>;
  /** Changes a waiting task in several ways at once. */
  update(id: string, change: EditOptions): Promise<Revision>;
  /** See `TaskHandle.edit`. */
  edit(id: string, input: unknown): Promise<Revision>;
  /** See `TaskHandle.retry`. */
  retry(id: string, options?: RedriveOptions): Promise<RedriveReceipt>;
}

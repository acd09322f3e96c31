/** Where a task is in its life. The last four are ends. */
export type TaskState =
  | "scheduled"
  | "pending"
  | "running"
  | "succeeded"
  | "failed"
  | "cancelled"
  | "expired";

/** Every state, in the order of a task's life. */
export const TASK_STATES: readonly TaskState[] = [
  "scheduled",
  "pending",
  "running",
  "succeeded",
  "failed",
  "cancelled",
  "expired",
];

/** The states in which a task has ended. */
export type FinalState = "succeeded" | "failed" | "cancelled" | "expired";

/**
 * From each state, the states that may follow. Every transition in the code is one of these. A task
 * that has ended goes on only when somebody retries it by hand, as a new generation.
 */
export const TRANSITIONS: Readonly<Record<TaskState, readonly TaskState[]>> = {
  scheduled: ["scheduled", "pending", "cancelled", "expired", "failed"],
  pending: ["running", "pending", "scheduled", "cancelled", "expired", "failed"],
  running: ["succeeded", "failed", "cancelled", "pending", "scheduled"],
  succeeded: ["pending", "scheduled"],
  failed: ["pending", "scheduled"],
  cancelled: ["pending", "scheduled"],
  expired: ["pending", "scheduled"],
};

/** Whether a task in this state has ended. */
export function isFinal(state: TaskState): state is FinalState {
  return FINAL.has(state);
}

const FINAL: ReadonlySet<TaskState> = new Set(["succeeded", "failed", "cancelled", "expired"]);

/** Whether a task may go from one state to the other. */
export function mayFollow(from: TaskState, to: TaskState): boolean {
  return TRANSITIONS[from].includes(to);
}

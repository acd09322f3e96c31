/** Where a task is in its life. The last four are final. */
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

/** The states that a task never leaves. */
export type FinalState = "succeeded" | "failed" | "cancelled" | "expired";

/** From each state, the states that may follow. Every transition in the code is one of these. */
export const TRANSITIONS: Readonly<Record<TaskState, readonly TaskState[]>> = {
  scheduled: ["pending", "cancelled", "expired"],
  pending: ["running", "pending", "cancelled", "expired"],
  running: ["succeeded", "failed", "cancelled", "pending", "scheduled"],
  succeeded: [],
  failed: [],
  cancelled: [],
  expired: [],
};

/** Whether the state is one that a task never leaves. */
export function isFinal(state: TaskState): state is FinalState {
  return TRANSITIONS[state].length === 0;
}

/** Whether a task may go from one state to the other. */
export function mayFollow(from: TaskState, to: TaskState): boolean {
  return TRANSITIONS[from].includes(to);
}

/**
 * Ends tasks whose time is over.
 *
 * Three things must have happened by a time: a task must have been started (`expiresAt`), have
 * ended (`deadlineAt`), and its handler must have obeyed a cancel. A waiting task is ended as soon
 * as its time is over. A running one is first its worker's to end, which knows the same times; only
 * when it has not done so {@link FORCE_MS} later is the task taken from it: its fence is gone then,
 * and whatever it still writes is refused.
 */
import { publish } from "../base/events.ts";
import { del, type Part } from "../store/part.ts";
import type { Store } from "../store/store.ts";
import { stateAsRead, taskAsRead, waitingKey } from "../task/change.ts";
import { currentState } from "../task/current.ts";
import type { TaskFailure } from "../task/failure.ts";
import { taskKey } from "../task/keyspace.ts";
import { positionOf } from "../task/position.ts";
import { cancelFacts, type StateRecord } from "../task/records.ts";
import type { FinalState } from "../task/state.ts";
import type { StoredTask } from "../task/task-reader.ts";
import { acknowledgeWrites, endWrites, finalState, specBytes } from "./finish.ts";
import { readRetention } from "./queue-settings.ts";

/** How long a worker has to end a running task by itself, once the task's time is over. */
export const FORCE_MS = 5_000;

/** How a task is to be ended, because its time is over. */
export interface Overdue {
  readonly to: FinalState;
  readonly why: string;
  /** What the final state says besides. */
  readonly facts: Pick<StateRecord, "error" | "reason" | "cancel">;
}

/** How the task is to be ended at `now`; `undefined` when its time is not over. */
export function overdueState(task: StoredTask, now: number): Overdue | undefined {
  const { spec, cancel } = task;
  const { state, attempt, snoozed } = currentState(spec, task.state);
  const passed = (at: number | undefined) => at !== undefined && at <= now;
  switch (state) {
    case "scheduled":
    case "pending":
      if (attempt === 0 && !snoozed && passed(spec.expiresAt)) {
        return { to: "expired", why: "it was not started in time", facts: {} };
      }
      return passed(spec.deadlineAt) ? tooLong(task) : undefined;
    case "running":
      if (cancel && passed(cancel.at + cancel.graceMs + FORCE_MS)) {
        const facts = { cancel: { ...cancelFacts(cancel), forced: true } };
        return { to: "cancelled", why: "its handler did not obey a cancel", facts };
      }
      return passed(spec.deadlineAt && spec.deadlineAt + FORCE_MS) ? tooLong(task) : undefined;
    default:
      return undefined;
  }
}

/** When a running task is to be looked at again; `undefined` when nothing bounds it. */
export function forceAt({ spec, cancel }: StoredTask, now: number): number | undefined {
  const times = [spec.deadlineAt, cancel && cancel.at + cancel.graceMs];
  const force = times.flatMap((at) => (at === undefined || at > now ? [] : [at + FORCE_MS]));
  const next = Math.min(...force.filter((at) => at > now));
  return Number.isFinite(next) ? next : undefined;
}

function tooLong({ spec }: StoredTask): Overdue {
  return { to: "failed", why: "it took too long in all", facts: totalTimeout(spec.totalMs ?? 0) };
}

/** What is recorded of a task that took too long in all. */
export function totalTimeout(totalMs: number): { error: TaskFailure; reason: "total-timeout" } {
  const message = `The task had not ended ${totalMs} ms after it was ready (totalTimeout).`;
  return {
    error: { name: "TimeoutError", code: "ATTEMPT_TIMEOUT", message },
    reason: "total-timeout",
  };
}

/**
 * Ends the task, unless it has changed since it was read. Returns whether it did; publishes
 * `etask:task:overdue`.
 */
export async function endOverdue(
  store: Store,
  task: StoredTask,
  overdue: Overdue,
  at: number,
  also: Part["writes"] = [],
): Promise<boolean> {
  const { queue } = positionOf(task.spec, task.state);
  const { failedMs } = await readRetention(store, task.spec, queue);
  const part = overduePart(task, overdue, { at, failedMs }, also);
  const [result] = await store.commit([part]);
  if (!result?.applied) return false;
  publish("etask:task:overdue", { id: task.spec.id, state: overdue.to, why: overdue.why });
  return true;
}

function overduePart(
  task: StoredTask,
  { to, facts }: Overdue,
  { at, failedMs }: { at: number; failedMs: number },
  also: Part["writes"],
): Part {
  const { spec } = task;
  const { id, name, unique } = spec;
  const current = currentState(spec, task.state);
  const { dueAt: _due, ...rest } = current;
  const running = current.state === "running";
  // Whether an attempt that runs has logged is known to its worker alone.
  const logged = running ? { logged: 1 } : undefined;
  const final = finalState({ ...rest, ...facts, ...logged }, to, at, failedMs);
  const { queue } = positionOf(spec, task.state);
  const earlier = running ? current.attempt - 1 : current.attempt;
  const ends = endWrites({ id, name, queue, unique }, final, specBytes(spec), earlier);
  const gone = running ? acknowledgeWrites(id, current.worker) : [del(waitingKey(spec, current))];
  return {
    guards: running ? [stateAsRead(task)] : taskAsRead(task),
    writes: [...ends, ...gone, ...also],
    witness: taskKey(id, "state"),
  };
}

/**
 * Cancelling, as the store decides it.
 *
 * A task that waits is ended at once: its state becomes `cancelled`, its place in the index goes.
 * For one that runs the wish is written down beside it, in the inbox of its worker, and among the
 * deadlines for the case that nobody obeys. Its state stays untouched, so the attempt keeps its
 * fence: if the handler finishes first, that is what happened. From the wish's revision on the task
 * waits no more, because every part that would let it wait again is refused by the wish.
 *
 * What happens when a process dies: the caller, before the commit: nothing was asked; after it: it
 * stands. The worker: its rescuer finds the wish and ends the task as cancelled. Beat: the next one
 * finds the deadline.
 */
import { durationMs } from "../base/duration.ts";
import type { LoopWorld } from "../base/loop.ts";
import { requireKnownKeys, requireText } from "../base/options.ts";
import { del, keyAbsent, type Part, put } from "../store/part.ts";
import type { Store } from "../store/store.ts";
import { changeTask, type Decision, stateAsRead, taskAsRead, waitingKey } from "../task/change.ts";
import type { CancelOptions, CancelReceipt } from "../task/control.ts";
import { currentState } from "../task/current.ts";
import { signalKey, taskKey } from "../task/keyspace.ts";
import { requireId } from "../task/names.ts";
import { positionOf } from "../task/position.ts";
import {
  type CancelFacts,
  type CancelRecord,
  encodeRecord,
  type StateRecord,
} from "../task/records.ts";
import { isFinal } from "../task/state.ts";
import type { StoredTask } from "../task/task-reader.ts";
import { deadlineWrite } from "./enqueue.ts";
import { endWrites, finalState, specBytes } from "./finish.ts";
import { readRetention } from "./queue-settings.ts";

const GRACE_MS_DEFAULT = 10_000;
const GRACE_MS_MAX = 86_400_000;

/** Longest reason of a cancellation or a pause. */
export const REASON_LENGTH_MAX = 500;

/** Longest name of who cancelled or paused. */
export const BY_LENGTH_MAX = 100;

type Answer = Omit<CancelReceipt, "revision">;

/**
 * Cancels a task, or asks its worker to; see the essay above.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) before anything is written.
 * @throws TaskNotFoundError (`TASK_NOT_FOUND`) when there is no such task.
 */
export async function cancelTask(
  store: Store,
  { clock }: Pick<LoopWorld, "clock">,
  id: string,
  options: CancelOptions = {},
): Promise<CancelReceipt> {
  requireKnownKeys("cancel", options, ["reason", "by", "grace"]);
  const graceMs = durationMs("grace", options.grace ?? GRACE_MS_DEFAULT, 0, GRACE_MS_MAX);
  const said = whoAndWhy(options);
  const { answer, revision } = await changeTask<Answer>(store, requireId(id), async (task) => {
    const current = currentState(task.spec, task.state);
    const { state } = current;
    const facts: CancelFacts = { ...said, at: clock.now() };
    if (isFinal(state)) return { answer: { id, outcome: "ended", state } };
    if (state !== "running") return cancelWaiting(store, task, current, facts);
    if (task.cancel) return { answer: { id, outcome: "already-requested", state } };
    return cancelRunning(task, current, { ...facts, graceMs });
  });
  return { ...answer, revision };
}

/**
 * Who does something and why, as it is stored.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) when a text is too long or none.
 */
export function whoAndWhy({ reason, by }: { reason?: string; by?: string }): {
  reason?: string;
  by?: string;
} {
  return {
    ...(reason === undefined ? {} : { reason: requireText("reason", reason, REASON_LENGTH_MAX) }),
    ...(by === undefined ? {} : { by: requireText("by", by, BY_LENGTH_MAX) }),
  };
}

async function cancelWaiting(
  store: Store,
  task: StoredTask,
  current: StateRecord,
  cancel: CancelFacts,
): Promise<Decision<Answer>> {
  const { spec } = task;
  const { id, name, unique } = spec;
  const { queue } = positionOf(spec, task.state);
  const { failedMs } = await readRetention(store, spec, queue);
  const { dueAt: _due, ...rest } = current;
  const final = finalState({ ...rest, cancel }, "cancelled", cancel.at, failedMs);
  const ends = endWrites({ id, name, queue, unique }, final, specBytes(spec), current.attempt);
  const part: Part = {
    guards: taskAsRead(task),
    writes: [...ends, del(waitingKey(spec, current))],
    witness: taskKey(id, "state"),
  };
  return { part, answer: { id, outcome: "cancelled", state: "cancelled" } };
}

function cancelRunning(
  task: StoredTask,
  { worker = "" }: StateRecord,
  cancel: CancelRecord,
): Decision<Answer> {
  const { id } = task.spec;
  const cancelKey = taskKey(id, "cancel");
  const part: Part = {
    guards: [stateAsRead(task), keyAbsent(cancelKey)],
    writes: [
      put(cancelKey, encodeRecord(cancel)),
      put(signalKey(worker, id), encodeRecord({ kind: "cancel" })),
      deadlineWrite(cancel.at + cancel.graceMs, id),
    ],
    witness: cancelKey,
  };
  return { part, answer: { id, outcome: "requested", state: "running" } };
}

/**
 * Makes tasks ready whose time has come.
 *
 * Any number of promoters may run: each promotion is guarded by the due entry and the state as they
 * were read, so one of them wins and the others do nothing. An entry that holds a copy of its
 * task's spec, and whose task has no state, needs no read. For all others, and where such a
 * promotion was refused, the task is read. What an entry says is in its key; keys that are not ours
 * are passed over, entries that are not as their task says are dropped. A task that is due when it
 * must have been started already expires. A task whose spec can no longer be read fails.
 *
 * If the process dies, another promoter goes on; if none runs, entries wait.
 */
import type { LoopWorld } from "../base/loop.ts";
import { type BulkOutcome, commitBulk } from "../broker/bulk.ts";
import { endOverdue, overdueState } from "../broker/overdue.ts";
import { dropDuePart, failDuePart, promotePart } from "../broker/promote.ts";
import type { Part } from "../store/part.ts";
import type { Entry, Store } from "../store/store.ts";
import type { TaskSnapshot } from "../task/change.ts";
import { currentState } from "../task/current.ts";
import { decodeDue } from "../task/decode.ts";
import { DEFAULT_RETENTION } from "../task/enqueue-options.ts";
import { dueRange, dueTime, idOfDueKey } from "../task/keyspace.ts";
import { isId } from "../task/names.ts";
import type { SpecRecord, StateRecord } from "../task/records.ts";
import { readOr, readRecords } from "../task/task-reader.ts";
import { lookAfter } from "./timed-index.ts";

const READS_AT_ONCE = 32;

/** Promotes until `signal` aborts; throws what the store throws. */
export function runPromoter(store: Store, world: LoopWorld, signal: AbortSignal): Promise<void> {
  const index = {
    name: "promoter",
    range: dueRange,
    timeOf: dueTime,
    handle: (entries: readonly Entry[], now: number) => promote(store, entries, now),
  };
  return lookAfter(store, world, index, signal);
}

/** Whether all of them are dealt with. */
async function promote(store: Store, entries: readonly Entry[], now: number): Promise<boolean> {
  const ours = entries.filter(({ key }) => isId(idOfDueKey(key)));
  const copied = ours.flatMap((due) => {
    const spec = copyIn(due, now);
    const task: TaskSnapshot | undefined = spec && { spec, state: undefined, stateRevision: 0 };
    return task ? [{ due, part: promotePart(due, task, now) }] : [];
  });
  const { outcomes, error } = await commitBulk(
    store,
    copied.map(({ part }) => part),
  );
  if (error !== undefined) throw error;
  const promoted = new Set(
    copied.filter((_, index) => isApplied(outcomes[index])).map(({ due }) => due),
  );
  const left = ours.filter((due) => !promoted.has(due));
  return promoteRead(store, left, now);
}

function isApplied(outcome: BulkOutcome | undefined): boolean {
  return outcome?.kind === "done" && outcome.result.applied;
}

/** The spec that the entry holds, when the task can be promoted by it. */
function copyIn(due: Entry, now: number): SpecRecord | undefined {
  const spec = readOr(due, decodeDue)?.spec;
  if (!spec || spec.id !== idOfDueKey(due.key) || spec.dueAt !== dueTime(due.key)) return undefined;
  return spec.expiresAt !== undefined && spec.expiresAt <= now ? undefined : spec;
}

async function promoteRead(store: Store, dues: readonly Entry[], now: number): Promise<boolean> {
  let done = true;
  for (let index = 0; index < dues.length; index += READS_AT_ONCE) {
    const some = dues.slice(index, index + READS_AT_ONCE);
    const found = await Promise.all(some.map((due) => partOf(store, due, now)));
    const parts = found.filter((part) => typeof part !== "boolean");
    // In as many commits as it takes: what a task failed of before may be large.
    const { outcomes, error } = await commitBulk(store, parts);
    if (error !== undefined) throw error;
    done &&= outcomes.every(isApplied) && !found.includes(false);
  }
  return done;
}

/** What is to be committed; or, when the task had to end instead, whether it did. */
async function partOf(store: Store, due: Entry, now: number): Promise<Part | boolean> {
  const read = await readRecords(store, idOfDueKey(due.key) as string);
  const { task, state } = read;
  if (!waitsFor(due, task ? currentState(task.spec, task.state) : state)) {
    return dropDuePart(due, read);
  }
  if (task) {
    const overdue = overdueState(task, now);
    return overdue ? endOverdue(store, task, overdue, now) : promotePart(due, task, now);
  }
  const { failedMs } = DEFAULT_RETENTION;
  return failDuePart(due, read, state as StateRecord, { at: now, failedMs });
}

function waitsFor(due: Entry, state: StateRecord | undefined): boolean {
  return state?.state === "scheduled" && state.dueAt === dueTime(due.key);
}

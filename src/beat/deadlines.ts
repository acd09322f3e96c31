/**
 * Looks at tasks that must have been started, have ended or have obeyed by now.
 *
 * An entry under `deadline/` says when to look and at which task; the task itself says what must
 * have happened (`broker/overdue.ts`). An entry that says nothing any more is dropped, so whoever
 * starts or ends a task need not know of it. For a task that still runs the entry is moved on by
 * the time that its worker has to end it by itself. Each change is guarded by the entry and the
 * task as they were read, so any number of these loops do no harm.
 *
 * If the process dies, another one goes on; if none runs, entries wait.
 */
import type { LoopWorld } from "../base/loop.ts";
import { endOverdue, forceAt, overdueState } from "../broker/overdue.ts";
import { del, keyUnchanged, type Part, put } from "../store/part.ts";
import type { Entry, Store } from "../store/store.ts";
import { deadlineKey, deadlineRange, parseDeadlineKey } from "../task/keyspace.ts";
import { isId } from "../task/names.ts";
import { readTask, type StoredTask } from "../task/task-reader.ts";
import { lookAfter } from "./timed-index.ts";

const READS_AT_ONCE = 16;

/** Looks after deadlines until `signal` aborts; throws what the store throws. */
export function runDeadlines(store: Store, world: LoopWorld, signal: AbortSignal): Promise<void> {
  const index = {
    name: "deadlines",
    range: deadlineRange,
    timeOf: (key: string) => parseDeadlineKey(key)?.at,
    handle: async (entries: readonly Entry[], now: number) => {
      const left = entries.values();
      const lane = async () => {
        for (const entry of left) await judge(store, entry, now);
      };
      await Promise.all(Array.from({ length: READS_AT_ONCE }, lane));
    },
  };
  return lookAfter(store, world, index, signal);
}

async function judge(store: Store, entry: Entry, now: number): Promise<void> {
  const id = parseDeadlineKey(entry.key)?.id;
  if (!isId(id)) return;
  const task = await readTask(store, id);
  const overdue = task && overdueState(task, now);
  // What was not ended because it had just changed is looked at again at the next scan.
  if (overdue) await endOverdue(store, task, overdue, now, [del(entry.key)]);
  else await store.commit([passPart(entry, task, now)]);
}

/** The entry has nothing more to say, or something later. */
function passPart(entry: Entry, task: StoredTask | undefined, now: number): Part {
  const next = task?.state?.state === "running" ? forceAt(task, now) : undefined;
  const moved = next === undefined ? undefined : deadlineKey(next, task?.spec.id as string);
  return {
    guards: [keyUnchanged(entry.key, entry.modRevision)],
    writes: [
      del(entry.key),
      ...(moved === undefined || moved === entry.key ? [] : [put(moved, NOTHING)]),
    ],
  };
}

const NOTHING = new Uint8Array();

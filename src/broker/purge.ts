/**
 * Removes what waits in a queue, task by task, each in a commit of its own that holds while the
 * task is as it was read. Tasks that are taken meanwhile run; tasks that are enqueued after the
 * purge began stay. If the process dies half way, the rest is there for another purge.
 */
import { INSTANT_MS_MAX } from "../base/date.ts";
import { afterKey, type KeyRange } from "../store/range.ts";
import type { Entry, Revision, Store } from "../store/store.ts";
import { removePart } from "../task/change.ts";
import { currentState } from "../task/current.ts";
import { decodeDue, decodeReady } from "../task/decode.ts";
import { dueRange, readyRange } from "../task/keyspace.ts";
import { positionOf } from "../task/position.ts";
import { readOr, readTask } from "../task/task-reader.ts";
import { inLanes } from "./running-view.ts";

/** Small, so that no chunk holds up other writes. */
const PAGE = 200;

/** Removes the pending tasks of a queue; says how many. */
export function purgeReady(store: Store, queue: string): Promise<number> {
  return purge(store, queue, readyRange(queue), (entry) => readOr(entry, decodeReady)?.id);
}

/** Removes the scheduled tasks of a queue. Looks at all that are scheduled in the store. */
export function purgeScheduled(store: Store, queue: string): Promise<number> {
  return purge(store, queue, dueRange(INSTANT_MS_MAX), (entry) => {
    const due = readOr(entry, decodeDue);
    // A copy of the spec is there only as long as the task was not moved.
    return due?.spec !== undefined && due.spec.queue !== queue ? undefined : due?.id;
  });
}

async function purge(
  store: Store,
  queue: string,
  { start, end }: KeyRange,
  idIn: (entry: Entry) => string | undefined,
): Promise<number> {
  const { revision: begin } = await store.range({ start, end }, { limit: 1 });
  let removed = 0;
  for (let from = start; ; ) {
    const page = await store.range({ start: from, end }, { limit: PAGE });
    const ids = page.entries
      .filter(({ modRevision }) => modRevision <= begin)
      .flatMap((entry) => idIn(entry) ?? []);
    const done = await inLanes(ids, (id) => removeWaiting(store, queue, id, begin));
    removed += done.filter(Boolean).length;
    const last = page.entries.at(-1);
    if (!page.more || !last) return removed;
    from = afterKey(last.key);
  }
}

async function removeWaiting(
  store: Store,
  queue: string,
  id: string,
  begin: Revision,
): Promise<boolean> {
  const task = await readTask(store, id);
  if (!task || task.specRevision > begin || task.stateRevision > begin) return false;
  const { state } = currentState(task.spec, task.state);
  const waits = state === "pending" || state === "scheduled";
  if (!waits || positionOf(task.spec, task.state).queue !== queue) return false;
  const [result] = await store.commit([removePart(task)]);
  return result?.applied === true;
}

import type { Entry, Store } from "../store/store.ts";
import { HistoryLostError } from "../store/store-errors.ts";
import { TaskNotFoundError } from "../task/failure.ts";
import { TASK_KEYS_MAX, taskRange } from "../task/keyspace.ts";
import { joinTask } from "../task/task-reader.ts";
import { type TaskView, viewOf } from "../task/view.ts";

/**
 * One task now and after each revision that changed it. Ends when `signal` aborts.
 *
 * @throws TaskNotFoundError (`TASK_NOT_FOUND`) when it does not exist or is removed meanwhile.
 */
export async function* watchTask(
  store: Store,
  id: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<TaskView, void> {
  while (!signal?.aborted) {
    try {
      yield* watchOnce(store, id, signal);
      return;
    } catch (error) {
      if (!(error instanceof HistoryLostError)) throw error;
    }
  }
}

async function* watchOnce(
  store: Store,
  id: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<TaskView, void> {
  const range = taskRange(id);
  const { entries, revision: after } = await store.range(range, { limit: TASK_KEYS_MAX });
  const known = new Map<string, Entry>(entries.map((entry) => [entry.key, entry]));
  const view = (): TaskView => {
    const task = joinTask([...known.values()], after);
    if (!task) throw new TaskNotFoundError(id);
    return viewOf(task);
  };
  yield view();
  for await (const { events } of store.watch(range, signal ? { after, signal } : { after })) {
    for (const [index, event] of events.entries()) {
      if (event.type === "put") known.set(event.key, event.entry);
      else known.delete(event.key);
      if (events[index + 1]?.modRevision !== event.modRevision) yield view();
    }
  }
}

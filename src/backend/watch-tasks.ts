/**
 * Follows the tasks whose id begins with a prefix, change by change.
 *
 * The store's events name one record each; readers want the task. So the records of the tasks seen
 * lately are remembered, at most {@link KNOWN_MAX} of them and none with a large input, and what is not
 * remembered is read as of the event's own revision, so that a change is never shown together with a
 * later one. Only when that revision is compacted already is the task read as it is now.
 */

import type { Entry, Revision, Store, WatchEvent } from "../store/store.ts";
import { HistoryLostError } from "../store/store-errors.ts";
import { parseTaskKey, taskKey, taskRange, tasksRange } from "../task/keyspace.ts";
import { joinTask } from "../task/task-reader.ts";
import { type TaskView, viewOf } from "../task/view.ts";

const KNOWN_MAX = 1_000;
const KNOWN_BYTES_MAX = 4_096;

/** What happened to a task. */
export type ChangeKind = "enqueued" | "state" | "progress" | "removed";

/** One change of one task. */
export interface TaskChange {
  readonly revision: Revision;
  readonly id: string;
  readonly kind: ChangeKind;
  /** The task after the change; absent when it was removed or its records are damaged. */
  readonly task: TaskView | undefined;
}

type Records = Map<string, Entry>;

/** @throws HistoryLostError (`HISTORY_LOST`) when changes after `after` are no longer known. */
export async function* watchTasks(
  store: Store,
  prefix: string,
  after: Revision,
  signal: AbortSignal | undefined,
): AsyncGenerator<TaskChange, void> {
  const known = new Map<string, Records>();
  const options = signal ? { after, signal } : { after };
  for await (const { events } of store.watch(tasksRange(prefix), options)) {
    for (const event of events) {
      const key = parseTaskKey(event.key);
      if (!key) continue;
      const kind = kindOf(event, key.part);
      if (kind === "removed") known.delete(key.id);
      if (kind === undefined) continue;
      const { id } = key;
      const revision = event.modRevision;
      const task = kind === "removed" ? undefined : await taskAfter(store, known, id, event);
      yield { revision, id, kind, task };
    }
  }
}

function kindOf(event: WatchEvent, part: "spec" | "state" | "progress"): ChangeKind | undefined {
  if (event.type === "delete") return part === "spec" ? "removed" : undefined;
  return part === "spec" ? "enqueued" : part;
}

async function taskAfter(
  store: Store,
  known: Map<string, Records>,
  id: string,
  event: WatchEvent,
): Promise<TaskView | undefined> {
  let records = known.get(id);
  if (event.type === "put" && (records || event.key === taskKey(id, "spec"))) {
    records ??= new Map();
    records.set(event.key, event.entry);
  } else {
    records = await recordsAt(store, id, event.modRevision);
  }
  remember(known, id, records);
  const task = joinTask([...records.values()], event.modRevision);
  return task && viewOf(task);
}

async function recordsAt(store: Store, id: string, revision: Revision): Promise<Records> {
  const range = taskRange(id);
  try {
    const { entries } = await store.range(range, { limit: 10, revision });
    return new Map(entries.map((entry) => [entry.key, entry]));
  } catch (error) {
    if (!(error instanceof HistoryLostError)) throw error;
    const { entries } = await store.range(range, { limit: 10 });
    return new Map(entries.map((entry) => [entry.key, entry]));
  }
}

function remember(known: Map<string, Records>, id: string, records: Records): void {
  known.delete(id);
  let bytes = 0;
  for (const { value } of records.values()) bytes += value.byteLength;
  if (bytes > KNOWN_BYTES_MAX) return;
  known.set(id, records);
  if (known.size <= KNOWN_MAX) return;
  const [oldest] = known.keys();
  if (oldest !== undefined) known.delete(oldest);
}

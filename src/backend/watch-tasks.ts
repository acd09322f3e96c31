/**
 * Follows the tasks whose id begins with a prefix, change by change.
 *
 * The store's events name one record each; readers want the task. What one revision did to one task
 * is one change: an outcome and the last progress that came with it are not torn apart. One
 * revision may change many tasks, so each change says from where a watch goes on behind it without
 * a gap.
 *
 * The records of the tasks seen lately are remembered, at most {@link KNOWN_MAX} of them and none
 * with a large input, and what is not remembered is read as of the event's own revision, so that a
 * change is never shown together with a later one. Only when that revision is compacted already is
 * the task read as it is now.
 */

import type { Entry, Revision, Store, WatchEvent } from "../store/store.ts";
import { HistoryLostError } from "../store/store-errors.ts";
import {
  parseTaskKey,
  TASK_KEYS_MAX,
  type TaskPart,
  taskRange,
  tasksRange,
} from "../task/keyspace.ts";
import { joinTask } from "../task/task-reader.ts";
import { type TaskView, viewOf } from "../task/view.ts";

const KNOWN_MAX = 1_000;
const KNOWN_BYTES_MAX = 4_096;

/** What happened to a task; of several things at one revision the first of these. */
export type ChangeKind = "removed" | "enqueued" | "state" | "edited" | "progress";

/** What one revision did to one task. */
export interface TaskChange {
  readonly revision: Revision;
  /**
   * Hand this in as `after` to go on behind this change. It is `revision`, or the one before when
   * more changes of the same revision follow; some of them may then come twice, but none is missed.
   */
  readonly resumeAfter: Revision;
  readonly id: string;
  readonly kind: ChangeKind;
  /** The task after the change; absent when it was removed or its records are damaged. */
  readonly task: TaskView | undefined;
}

type Records = Map<string, Entry>;

/** What one revision did to one task's records. */
interface RecordChange {
  readonly id: string;
  readonly revision: Revision;
  readonly events: WatchEvent[];
  kind: ChangeKind;
}

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
    const changes = changesIn(events);
    for (const [index, change] of changes.entries()) {
      const { id, kind, revision } = change;
      const last = changes[index + 1]?.revision !== revision;
      if (kind === "removed") known.delete(id);
      const task = kind === "removed" ? undefined : await taskAfter(store, known, change);
      yield { revision, resumeAfter: last ? revision : revision - 1, id, kind, task };
    }
  }
}

/** The events of whole revisions by revision and task, in the order of their first events. */
function changesIn(events: readonly WatchEvent[]): RecordChange[] {
  const changes: RecordChange[] = [];
  let byId = new Map<string, RecordChange>();
  for (const event of events) {
    const key = parseTaskKey(event.key);
    const kind = key && kindOf(event, key.part);
    if (!kind) continue;
    if (changes.at(-1)?.revision !== event.modRevision) byId = new Map();
    const change = byId.get(key.id);
    if (!change) {
      const first = { id: key.id, revision: event.modRevision, events: [event], kind };
      byId.set(key.id, first);
      changes.push(first);
    } else {
      change.events.push(event);
      if (KINDS.indexOf(kind) < KINDS.indexOf(change.kind)) change.kind = kind;
    }
  }
  return changes;
}

const KINDS: readonly ChangeKind[] = ["removed", "enqueued", "state", "edited", "progress"];

function kindOf(event: WatchEvent, part: TaskPart | "attempt"): ChangeKind | undefined {
  // What goes without the spec goes with a state.
  if (event.type === "delete") return part === "spec" ? "removed" : "progress";
  switch (part) {
    case "spec":
      return event.entry.version === 1 ? "enqueued" : "edited";
    case "cancel":
      return "edited";
    // It comes with a state.
    case "attempt":
      return "progress";
    default:
      return part;
  }
}

async function taskAfter(
  store: Store,
  known: Map<string, Records>,
  { id, kind, revision, events }: RecordChange,
): Promise<TaskView | undefined> {
  let records = known.get(id);
  if (kind === "enqueued") records = new Map();
  if (records) {
    for (const event of events) {
      if (event.type === "put") records.set(event.key, event.entry);
      else records.delete(event.key);
    }
  } else {
    records = await recordsAt(store, id, revision);
  }
  remember(known, id, records);
  const task = joinTask([...records.values()], revision);
  return task && viewOf(task);
}

async function recordsAt(store: Store, id: string, revision: Revision): Promise<Records> {
  const range = taskRange(id);
  try {
    const { entries } = await store.range(range, { limit: TASK_KEYS_MAX, revision });
    return new Map(entries.map((entry) => [entry.key, entry]));
  } catch (error) {
    if (!(error instanceof HistoryLostError)) throw error;
    const { entries } = await store.range(range, { limit: TASK_KEYS_MAX });
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

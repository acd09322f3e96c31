import { afterKey } from "../store/range.ts";
import type { Entry, Revision, Store } from "../store/store.ts";
import { afterTask, parseTaskKey, tasksRange } from "../task/keyspace.ts";
import type { TaskState } from "../task/state.ts";
import { joinTask } from "../task/task-reader.ts";
import { type TaskView, viewOf } from "../task/view.ts";

/** A page holds at most this many keys read, so that a rare state does not read the whole store. */
const KEYS_READ_MAX = 20_000;

/** One page of tasks. */
export interface TaskPage {
  readonly tasks: readonly TaskView[];
  /**
   * Continues the listing; absent on the last page. A page may be short, even empty, before that.
   */
  readonly cursor: string | undefined;
  /** The revision that the beginning of the page shows. */
  readonly revision: Revision;
}

/** Reads tasks in the order of their ids, after `cursor`. */
export async function listTasks(
  store: Store,
  options: {
    prefix: string;
    state: TaskState | undefined;
    limit: number;
    cursor: string | undefined;
  },
): Promise<TaskPage> {
  const range = tasksRange(options.prefix);
  const tasks: TaskView[] = [];
  let start = options.cursor === undefined ? range.start : afterTask(options.cursor);
  let { cursor } = options;
  let revision: Revision | undefined;
  // A page that ended where it began would be asked for again and again.
  for (let keys = 0; keys < KEYS_READ_MAX || cursor === options.cursor; ) {
    const page = await store.range({ start, end: range.end });
    revision ??= page.revision;
    keys += page.entries.length;
    const groups = [...groupsOf(page.entries)];
    // The last task of a page that goes on may be cut in two: leave it to the next one.
    const cut = page.more && groups.length > 1 ? groups.pop() : undefined;
    for (const [index, group] of groups.entries()) {
      cursor = group.id;
      const task = joinTask(group.entries, page.revision);
      if (!task) continue;
      const view = viewOf(task);
      if (options.state !== undefined && view.state !== options.state) continue;
      tasks.push(view);
      const last = !page.more && index === groups.length - 1;
      if (tasks.length === options.limit) {
        return { tasks, cursor: last ? undefined : cursor, revision };
      }
    }
    const lastKey = page.entries.at(-1)?.key;
    if (!page.more || lastKey === undefined) return { tasks, cursor: undefined, revision };
    start = cut?.entries[0]?.key ?? afterKey(lastKey);
  }
  return { tasks, cursor, revision: revision as Revision };
}

/** The entries of a page by task; a task's keys lie side by side. */
function* groupsOf(entries: readonly Entry[]): Generator<{ id: string; entries: Entry[] }, void> {
  let group: { id: string; entries: Entry[] } | undefined;
  for (const entry of entries) {
    const id = parseTaskKey(entry.key)?.id;
    if (id === undefined) continue;
    if (group?.id !== id) {
      if (group) yield group;
      group = { id, entries: [] };
    }
    group.entries.push(entry);
  }
  if (group) yield group;
}

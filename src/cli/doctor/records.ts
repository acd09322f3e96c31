import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { listTasks } from "../../backend/list-tasks.ts";
import type { Events } from "../../base/events.ts";
import type { Store } from "../../store/store.ts";
import { counted, type Finding, ok, some, warning } from "./finding.ts";

const CHANNEL = "etask:record:malformed";
const TASKS_MAX = 1_000;
const KEYS_MAX = 100;

/** Collects the damaged or foreign records that are met while it listens. */
export interface RecordListener extends Disposable {
  /** Their keys with what is wrong, at most 100. */
  readonly met: ReadonlyMap<string, string>;
}

/** Begins to listen; every reader reports what it cannot read. */
export function listenForRecords(): RecordListener {
  const met = new Map<string, string>();
  const onEvent = (event: unknown) => {
    const { key, reason } = event as Events[typeof CHANNEL];
    if (met.size < KEYS_MAX) met.set(key, reason);
  };
  subscribe(CHANNEL, onEvent);
  return { met, [Symbol.dispose]: () => void unsubscribe(CHANNEL, onEvent) };
}

/** Reads the records of the first tasks, so that a listener meets what is damaged. */
export async function readSomeTasks(store: Store): Promise<number> {
  const options = { prefix: "", state: undefined, limit: TASKS_MAX, cursor: undefined };
  return (await listTasks(store, options)).tasks.length;
}

/** What is to be said of the records that were met, among those of so many tasks. */
export function recordFindings({ met }: RecordListener, tasks: number): Finding {
  if (met.size === 0)
    return ok("records", `nothing damaged among those of ${counted(tasks, "task")}`);
  const [first = ""] = met.values();
  return warning(
    "records",
    `damaged, or not etask's: ${some([...met.keys()])} (${first})`,
    "They are left alone and hurt no other task. Delete the keys when nobody needs them.",
  );
}

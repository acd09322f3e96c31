/** The runs that a schedule remembers, and what became of them. */
import type { Store } from "../store/store.ts";
import { currentState } from "../task/current.ts";
import { isFinal, type TaskState } from "../task/state.ts";
import { readTask } from "../task/task-reader.ts";
import type { RunRecord } from "./schedule-record.ts";

/** A run and the state of its task now. */
export interface RunNow extends RunRecord {
  readonly state: TaskState | "removed";
}

/** Reads what became of those runs that had not ended when they were looked at last. */
export function readRuns(store: Store, runs: readonly RunRecord[]): Promise<RunNow[]> {
  return Promise.all(runs.map((run) => readRun(store, run)));
}

async function readRun(store: Store, run: RunRecord): Promise<RunNow> {
  if (run.end !== undefined) return { ...run, state: run.end };
  const task = await readTask(store, run.id);
  if (!task) return { ...run, end: "removed", state: "removed" };
  const { state } = currentState(task.spec, task.state);
  return isFinal(state) ? { ...run, end: state, state } : { ...run, state };
}

/** A run as it is stored. */
export function runRecord({ state: _now, ...run }: RunNow): RunRecord {
  return run;
}

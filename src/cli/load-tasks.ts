import type { RegisteredTask } from "../task/task.ts";
import { loadTasks } from "./app-module.ts";
import type { GlobalOptions } from "./cli.ts";

/** Options of a command that may know the tasks it is about. */
export interface WithTasks extends GlobalOptions {
  /** The app module. */
  readonly app?: string;
}

/** The tasks of the module given with `--app`; without one, none. */
export async function loadTasksIn({ app }: WithTasks): Promise<readonly RegisteredTask[]> {
  return app === undefined ? [] : loadTasks(app);
}

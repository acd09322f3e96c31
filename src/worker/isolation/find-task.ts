import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { RegisteredTask } from "../../task/task.ts";
import { exportedTask, importModule, isTask } from "../../task/task-module.ts";
import { TaskNotLoadableError } from "./isolation-errors.ts";
import { shownModule } from "./origin-modules.ts";
import type { TaskPlace } from "./protocol.ts";

const TASKS_SHOWN_MAX = 20;

/**
 * Loads the modules in which a task may be, one after the other, until one exports it.
 *
 * @throws TaskNotLoadableError (`TASK_NOT_LOADABLE`) saying of each module why it is not there.
 */
export async function findTask({ name, modules }: TaskPlace): Promise<RegisteredTask> {
  const reasons: string[] = [];
  let cause: unknown;
  for (const module of modules) {
    try {
      if (!existsSync(fileURLToPath(module))) {
        reasons.push(`there is no module ${shownModule(module)}`);
        continue;
      }
      const exports = await importModule(module);
      const task = exportedTask(exports, name);
      if (task) return task;
      reasons.push(`module ${shownModule(module)} does not export it, but ${tasksIn(exports)}`);
    } catch (error) {
      cause ??= error;
      const why = error instanceof Error ? error.message : String(error);
      reasons.push(`module ${shownModule(module)} threw while it was loaded: ${why}`);
    }
  }
  if (reasons.length === 0) reasons.push("it is not known where it was defined");
  throw notLoadable(name, reasons.join("; "), cause);
}

/** Says why a task cannot run isolated, and what to do about it. */
export function notLoadable(name: string, reason: string, cause?: unknown): TaskNotLoadableError {
  return new TaskNotLoadableError(
    `Task ${name} cannot be loaded in an isolated runner: ${reason}. Export the task from the module ` +
      "that defines it, or name the module that exports it with " +
      'isolate: { kind: "process", module: import.meta.url }.',
    cause === undefined ? undefined : { cause },
  );
}

function tasksIn(exports: Readonly<Record<string, unknown>>): string {
  const tasks = Object.values(exports).flat().filter(isTask);
  if (tasks.length === 0) return "no task at all";
  const names = tasks.slice(0, TASKS_SHOWN_MAX).map(({ name }) => name);
  return `the tasks ${names.join(", ")}`;
}

import { EtaskError, InvalidOptionsError } from "../base/errors.ts";
import { shown } from "../base/options.ts";
import { checkTask, type RegisteredTask } from "./task.ts";

/** No task of this name is known here. */
export class UnknownTaskError extends EtaskError {
  readonly code = "UNKNOWN_TASK";
}

/** Two different tasks have the same name. */
export class TaskDuplicateError extends EtaskError {
  readonly code = "TASK_DUPLICATE";
}

/** The tasks that an app knows, by name. */
export class Registry {
  readonly #tasks = new Map<string, RegisteredTask>();

  constructor(tasks: readonly RegisteredTask[]) {
    for (const task of tasks) this.#add(task);
  }

  /** The names of all tasks, sorted. */
  get names(): readonly string[] {
    return [...this.#tasks.keys()].sort();
  }

  /** All tasks. */
  get tasks(): readonly RegisteredTask[] {
    return [...this.#tasks.values()];
  }

  /** The task of that name, if it is known. */
  find(name: string): RegisteredTask | undefined {
    return this.#tasks.get(name);
  }

  /** @throws UnknownTaskError (`UNKNOWN_TASK`) naming the tasks that are known. */
  get(name: string): RegisteredTask {
    const task = this.#tasks.get(name);
    if (task) return task;
    const known = this.names.length === 0 ? "none" : this.names.slice(0, 20).join(", ");
    throw new UnknownTaskError(`There is no task ${shown(name)}; known tasks: ${known}.`);
  }

  #add(task: RegisteredTask): void {
    if (typeof task?.run !== "function" || typeof task.bind !== "function") {
      throw new InvalidOptionsError(
        `tasks must hold tasks made with defineTask or classes that extend BaseTask (as instances); ` +
          `got ${shown(task)}.`,
      );
    }
    checkTask(task);
    if (this.#tasks.has(task.name) && this.#tasks.get(task.name) !== task) {
      throw new TaskDuplicateError(`Two tasks are named ${task.name}; a name means one task.`);
    }
    this.#tasks.set(task.name, task);
  }
}

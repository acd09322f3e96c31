/**
 * Finds the tasks and schedules of an app module.
 *
 * An app module is an ES module that exports its tasks, each by itself (by name or as the default)
 * or in lists, and likewise its schedules. Whatever else it exports is left alone.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { InvalidOptionsError } from "../base/errors.ts";
import { shown } from "../base/options.ts";
import type { DeclaredSchedule } from "../schedule/define-schedule.ts";
import type { RegisteredTask } from "../task/task.ts";
import { importModule, isTask } from "../task/task-module.ts";

/** What an app module exports, each once. */
export interface AppModule {
  readonly tasks: readonly RegisteredTask[];
  readonly schedules: readonly DeclaredSchedule[];
}

/**
 * The tasks that a module exports; see {@link loadApp}.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`)
 */
export async function loadTasks(file: string): Promise<readonly RegisteredTask[]> {
  return (await loadApp(file)).tasks;
}

/**
 * The tasks and schedules that a module exports.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) when there is no such module, it cannot be
 *   loaded, or exports no task.
 */
export async function loadApp(file: string): Promise<AppModule> {
  const path = resolve(file);
  if (!existsSync(path)) throw new InvalidOptionsError(`There is no app module ${path}.`);
  const exported = await loadModule(path);
  const tasks = new Set(Object.entries(exported).flatMap(([name, value]) => tasksIn(name, value)));
  const schedules = new Set(Object.values(exported).flat().filter(isSchedule));
  if (tasks.size > 0) return { tasks: [...tasks], schedules: [...schedules] };
  const names = Object.keys(exported).slice(0, 20).join(", ") || "nothing";
  throw new InvalidOptionsError(
    `The app module ${path} exports no task. Export what defineTask(...) returns, or instances ` +
      `of classes that extend BaseTask, each by itself or in lists; it exports ${names}.`,
  );
}

async function loadModule(path: string): Promise<Record<string, unknown>> {
  try {
    return await importModule(pathToFileURL(path).href);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new InvalidOptionsError(
      `The app module ${path} could not be loaded: ${why} (ETASK_DEBUG=1 shows where)`,
      { cause: error },
    );
  }
}

function tasksIn(name: string, value: unknown): readonly RegisteredTask[] {
  if (isTask(value)) return [value];
  if (!Array.isArray(value)) return [];
  if (value.length > 0 && value.every(isTask)) return value;
  const stranger = value.find((each) => !isTask(each));
  // A list that holds no task at all is about something else.
  if (value.some(isTask) || name === "tasks") {
    throw new InvalidOptionsError(
      `The app module's list ${name} must hold tasks only; it holds ${shown(stranger)}.`,
    );
  }
  return [];
}

/** By its shape, as tasks are: what `defineSchedule` returns. */
function isSchedule(value: unknown): value is DeclaredSchedule {
  if (value === null || typeof value !== "object") return false;
  const { name, version, options } = value as Partial<DeclaredSchedule>;
  if (typeof name !== "string" || typeof version !== "number" || !options) return false;
  return ["every", "cron", "at"].some((kind) => Object.hasOwn(options, kind));
}

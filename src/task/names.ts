import { InvalidOptionsError } from "../base/errors.ts";
import { requireInteger, shown } from "../base/options.ts";

/** Longest task id. */
export const ID_LENGTH_MAX = 200;
/** Longest prefix of a generated id, which adds 26 characters. */
export const ID_PREFIX_LENGTH_MAX = 150;
/** Longest queue name. */
export const QUEUE_LENGTH_MAX = 64;
/** Longest task name. */
export const TASK_NAME_LENGTH_MAX = 100;
/** The queue of tasks that name none. */
export const DEFAULT_QUEUE = "default";
/** Priorities go from 0 to 9; 9 runs first. */
export const PRIORITY_MAX = 9;
/** The priority of tasks that name none. */
export const DEFAULT_PRIORITY = 5;

const ID = /^[A-Za-z0-9][A-Za-z0-9._:@/-]*$/;
/** Names are members of records; the one that JSON readers must refuse is none. */
const NAME = /^(?!__proto__$)[A-Za-z0-9_][A-Za-z0-9_.-]*$/;

/** Whether `id` may be a task's id. */
export function isId(id: unknown): id is string {
  return typeof id === "string" && id.length <= ID_LENGTH_MAX && ID.test(id) && !id.endsWith("/");
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) unless `id` may be a task's id. */
export function requireId(id: unknown): string {
  if (isId(id)) return id;
  throw new InvalidOptionsError(
    `id must have 1 to ${ID_LENGTH_MAX} characters out of letters, digits and . _ : @ / -, begin ` +
      `with a letter or digit and not end with "/"; got ${shown(id)}.`,
  );
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) unless `prefix` may begin task ids. */
export function requireIdPrefix(prefix: unknown, option = "idPrefix"): string {
  if (typeof prefix === "string" && prefix.length <= ID_PREFIX_LENGTH_MAX && ID.test(prefix)) {
    return prefix;
  }
  throw new InvalidOptionsError(
    `${option} must have 1 to ${ID_PREFIX_LENGTH_MAX} characters out of letters, digits and ` +
      `. _ : @ / - and begin with a letter or digit; got ${shown(prefix)}.`,
  );
}

/** Whether `queue` may name a queue. */
export function isQueue(queue: unknown): queue is string {
  return isName(queue, QUEUE_LENGTH_MAX);
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) unless `queue` may name a queue. */
export function requireQueue(queue: unknown): string {
  return requireName("queue", queue, QUEUE_LENGTH_MAX);
}

/** Whether `name` may name a kind of task. */
export function isTaskName(name: unknown): name is string {
  return isName(name, TASK_NAME_LENGTH_MAX);
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) unless `name` may name a kind of task. */
export function requireTaskName(name: unknown, what = "task name"): string {
  return requireName(what, name, TASK_NAME_LENGTH_MAX);
}

/**
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) unless `priority` is a whole number from 0 to 9.
 */
export function requirePriority(priority: unknown): number {
  return requireInteger("priority", priority, 0, PRIORITY_MAX);
}

function isName(name: unknown, lengthMax: number): name is string {
  return typeof name === "string" && name.length <= lengthMax && NAME.test(name);
}

function requireName(what: string, name: unknown, lengthMax: number): string {
  if (isName(name, lengthMax)) return name;
  throw new InvalidOptionsError(
    `${what} must have 1 to ${lengthMax} characters out of letters, digits and _ . - and begin ` +
      `with a letter, digit or _; got ${shown(name)}.`,
  );
}

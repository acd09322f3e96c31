/** Tasks in words. */
import type { TaskFailure } from "../task/failure.ts";
import type { AttemptView, TaskView } from "../task/view.ts";
import { durationText, type Output, printable } from "./output.ts";

/** Says everything that is known of a task, its attempts last. */
export function sayTask(output: Output, task: TaskView): void {
  for (const [name, text] of linesOf(task)) output.line(`${name.padEnd(11)}${printable(text)}`);
  for (const attempt of task.attempts) output.line(printable(attemptText(attempt)));
}

function linesOf(task: TaskView): [string, string][] {
  const { progress, error, headers, cancel, schedule, throttle, debounce } = task;
  const facts: Record<string, string | undefined> = {
    id: task.id,
    name: task.name,
    queue: task.queue,
    priority: String(task.priority),
    state: task.state,
    when: task.when === "idle" ? `idle${task.preempt ? ", given back for others" : ""}` : undefined,
    attempt: String(task.attempt),
    generation: task.generation === 1 ? undefined : String(task.generation),
    snoozed: task.snoozed === 0 ? undefined : `${task.snoozed} times`,
    "waits for": task.waitsFor,
    input: jsonText(task.input),
    headers: Object.keys(headers).length === 0 ? undefined : jsonText(headers),
    unique: task.unique,
    throttle: throttle && `${throttle.key}, until ${throttle.until.toISOString()}`,
    debounce: debounce && `${debounce.key}, until ${debounce.latestAt.toISOString()} at most`,
    schedule: schedule && `${schedule.name}, for ${schedule.tick.toISOString()}`,
    worker: task.worker,
    result: jsonText(task.result),
    reason: task.reason,
    error: error && errorText(error),
    cancel: cancel && cancelText(cancel),
    created: timeText(task.createdAt),
    due: timeText(task.dueAt),
    expires: timeText(task.expiresAt),
    deadline: timeText(task.deadlineAt),
    started: timeText(task.startedAt),
    finished: timeText(task.finishedAt),
    progress: progress && `${progress.percent}%`,
    detail: jsonText(progress?.detail),
    revision: String(task.revision),
  };
  return Object.entries(facts).filter((fact): fact is [string, string] => fact[1] !== undefined);
}

function attemptText({ attempt, outcome, worker, error, ...times }: AttemptView): string {
  const { startedAt, endedAt } = times;
  const when = endedAt
    ? `${endedAt.toISOString()} after ${durationText(endedAt.getTime() - startedAt.getTime())}`
    : `since ${startedAt.toISOString()}`;
  const why = error ? `: ${errorText(error)}` : "";
  return `${`#${attempt}`.padEnd(11)}${outcome} ${when} on ${worker}${why}`;
}

function cancelText({ at, by, reason, forced }: NonNullable<TaskView["cancel"]>): string {
  const whom = by === undefined ? "" : ` by ${by}`;
  const why = reason === undefined ? "" : `: ${reason}`;
  return `wanted at ${at.toISOString()}${whom}${why}${forced ? " (the handler did not obey)" : ""}`;
}

function errorText({ name, message, code }: TaskFailure): string {
  return `${name}: ${message}${code ? ` (${code})` : ""}`;
}

function timeText(time: Date | undefined): string | undefined {
  return time?.toISOString();
}

function jsonText(value: unknown): string | undefined {
  return value === undefined ? undefined : JSON.stringify(value);
}

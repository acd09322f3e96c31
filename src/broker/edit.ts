import { type Instant, instantMs } from "../base/date.ts";
import { type Duration, durationMs } from "../base/duration.ts";
import { InvalidOptionsError } from "../base/errors.ts";
import { requireKnownKeys } from "../base/options.ts";
import { del, type Part, put, type Write } from "../store/part.ts";
import { requireWaiting, taskAsRead, waitingKey } from "../task/change.ts";
import type { EditOptions, Reschedule } from "../task/control.ts";
import { TEN_YEARS_MS } from "../task/enqueue-options.ts";
import { taskKey } from "../task/keyspace.ts";
import { requirePriority, requireQueue } from "../task/names.ts";
import { positionOf } from "../task/position.ts";
import {
  type DueRecord,
  encodeRecord,
  type SpecRecord,
  type StateRecord,
} from "../task/records.ts";
import type { StoredTask } from "../task/task-reader.ts";
import { readyAgainValue } from "./enqueue.ts";

/** Where a waiting task is to stand; what is left out stays. */
export interface MoveOptions {
  readonly queue?: string;
  readonly priority?: number;
}

/** What is to change of a waiting task. */
export interface Edit extends MoveOptions {
  /** Its new input. */
  readonly input?: { readonly value: unknown };
  /** When it becomes ready, in milliseconds since the epoch; what has passed means now. */
  readonly dueAt?: number;
}

const OPTIONS = ["input", "queue", "priority", "in", "at"];

/**
 * Reads what is to change of a task.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed.
 */
export function resolveEdit(what: string, given: EditOptions, now: number): Edit {
  requireKnownKeys(what, given, OPTIONS);
  const { input, queue, priority, in: delay, at } = given;
  const timed = delay !== undefined || at !== undefined;
  return {
    ...(queue === undefined ? undefined : { queue: requireQueue(queue) }),
    ...(priority === undefined ? undefined : { priority: requirePriority(priority) }),
    ...(input === undefined ? undefined : { input: { value: input } }),
    ...(timed ? { dueAt: resolveReschedule({ in: delay, at } as Reschedule, now) } : undefined),
  };
}

/**
 * Edits a pending or scheduled task. Held while it is as it was read.
 *
 * It keeps its place in time, so among its new equals the older task still goes first. It gets a
 * state if it had none, so that everybody who read it before is refused. The times by which it must
 * have been started or have ended stay.
 *
 * @throws TaskRunningError, TaskEndedError when it does not wait.
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) when it would become ready too late to be run.
 */
export function editPart(task: StoredTask, edit: Edit, at: number): Part {
  const { id } = task.spec;
  const current = requireWaiting(task);
  const dueAt = requireInTime(task.spec, dueAfter(current, edit.dueAt, at), current.attempt);
  const spec = edit.input === undefined ? task.spec : specWith(task.spec, edit.input.value);
  const next = waitingState(
    { ...current, ...positionOf(spec, task.state), ...movedTo(edit) },
    dueAt,
    at,
  );
  const from = waitingKey(task.spec, current);
  const to = waitingKey(spec, next);
  const stateKey = taskKey(id, "state");
  return {
    guards: taskAsRead(task),
    writes: [
      ...(spec === task.spec ? [] : [put(taskKey(id, "spec"), encodeRecord(spec))]),
      put(stateKey, encodeRecord(next)),
      ...(from === to ? [] : [del(from)]),
      waitingWrite(spec, next),
    ],
    witness: stateKey,
  };
}

/** A waiting state: scheduled when there is a time to come, else pending. */
export function waitingState(
  { dueAt: _before, ...state }: StateRecord,
  dueAt: number | undefined,
  at: number,
): StateRecord {
  if (dueAt === undefined) return { ...state, state: "pending", at };
  return { ...state, state: "scheduled", at, dueAt };
}

/** The index entry of a task that waits and has a state, to be put at the revision of that. */
export function waitingWrite(spec: SpecRecord, state: StateRecord): Write {
  const { id, name } = spec;
  const key = waitingKey(spec, state);
  if (state.state === "pending") return put(key, readyAgainValue(spec, state, spec));
  return put(key, encodeRecord({ id, name } satisfies DueRecord));
}

/** A spec with another input, its members in their usual order. */
export function specWith({ input: _before, ...spec }: SpecRecord, input: unknown): SpecRecord {
  const { id, name, queue, priority, ...rest } = spec;
  return { id, name, queue, priority, ...(input === undefined ? undefined : { input }), ...rest };
}

/** The members of `move` that say something. */
export function movedTo({ queue, priority }: MoveOptions): MoveOptions {
  return {
    ...(queue === undefined ? undefined : { queue }),
    ...(priority === undefined ? undefined : { priority }),
  };
}

/**
 * Reads a time to become ready, as milliseconds since the epoch.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) when it is none, or beyond 10 years.
 */
export function resolveReschedule(given: Reschedule, now: number): number {
  if (given === "now") return now;
  const { in: delay, at } = given as { in?: Duration; at?: Instant };
  if ((delay === undefined) === (at === undefined)) {
    throw new InvalidOptionsError('Give either in or at, or "now", to say when it becomes ready.');
  }
  if (delay !== undefined) return now + durationMs("in", delay, 0, TEN_YEARS_MS);
  const ms = instantMs("at", at as Instant);
  if (ms <= now + TEN_YEARS_MS) return ms;
  throw new InvalidOptionsError(
    `at must be at most 10 years from now; got ${new Date(ms).toISOString()}.`,
  );
}

function dueAfter(
  { state, dueAt }: StateRecord,
  wanted: number | undefined,
  now: number,
): number | undefined {
  if (wanted === undefined) return state === "scheduled" ? dueAt : undefined;
  return wanted > now ? wanted : undefined;
}

/** A task that is due only when its time is over would wait in vain. */
function requireInTime(
  { id, expiresAt, deadlineAt }: SpecRecord,
  dueAt: number | undefined,
  attempts: number,
): number | undefined {
  const limits = [attempts === 0 ? expiresAt : undefined, deadlineAt];
  const limit = Math.min(...limits.filter((time) => time !== undefined));
  if (dueAt === undefined || dueAt < limit) return dueAt;
  throw new InvalidOptionsError(
    `Task ${id} would become ready at ${new Date(dueAt).toISOString()}, but its time is over at ` +
      `${new Date(limit).toISOString()}. Give an earlier time; nothing was changed.`,
  );
}

/** From what users say of a schedule to what is stored of it, with every bound checked. */
import { instantMs } from "../base/date.ts";
import { durationMs } from "../base/duration.ts";
import { InvalidOptionsError } from "../base/errors.ts";
import { requireJson } from "../base/json.ts";
import { requireKnownKeys, requireOneOf, shown } from "../base/options.ts";
import { requirePayload } from "../broker/spec.ts";
import { resolveClaim } from "../task/claim.ts";
import { resolveDelayOptions, TEN_YEARS_MS } from "../task/enqueue-options.ts";
import { parseWith } from "../task/input.ts";
import { requireTaskName } from "../task/names.ts";
import type { RegisteredTask } from "../task/task.ts";
import { parseCron } from "./cron.ts";
import { nextTick, type RhythmRecord } from "./rhythm.ts";
import { InvalidScheduleError } from "./schedule-errors.ts";
import type { ScheduleOptions, ScheduleSettings } from "./schedule-options.ts";
import { type DefinitionRecord, OVERLAPS } from "./schedule-record.ts";
import { zoneNamed } from "./zone.ts";

/** Largest input of a schedule as JSON: its record is written anew at every run. */
export const SCHEDULE_INPUT_BYTES_MAX = 16_384;
/** Longest name of a schedule. */
export const SCHEDULE_NAME_LENGTH_MAX = 100;

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
const SECOND_MS = 1_000;
const DAY_MS = 86_400_000;
const TASK_MEMBERS = [
  "queue",
  "priority",
  "headers",
  "retry",
  "retention",
  "timeout",
  "totalTimeout",
  "unique",
  "expiresIn",
  "when",
  "preempt",
] as const;
const RHYTHM_MEMBERS = ["every", "cron", "at", "timeZone", "dst", "start", "end"];

/** The names of all members of {@link ScheduleOptions}. */
export const SCHEDULE_OPTIONS: readonly string[] = [
  ...["task", "input", ...RHYTHM_MEMBERS, "jitter", "overlap", "catchUp"],
  ...TASK_MEMBERS,
];

/** Whether `name` may name a schedule. */
export function isScheduleName(name: unknown): name is string {
  return typeof name === "string" && name.length <= SCHEDULE_NAME_LENGTH_MAX && NAME.test(name);
}

/**
 * A schedule's name begins the ids of its tasks.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) unless `name` may name a schedule.
 */
export function requireScheduleName(name: unknown): string {
  if (isScheduleName(name)) return name;
  throw new InvalidOptionsError(
    `The name of a schedule must have 1 to ${SCHEDULE_NAME_LENGTH_MAX} characters out of letters, ` +
      `digits and _ . - and begin with a letter or digit; got ${shown(name)}.`,
  );
}

/**
 * Checks a schedule and fills in every default, also those of the task's own definition when the
 * task is given or `find` knows it.
 *
 * @throws InvalidScheduleError (`INVALID_SCHEDULE`) when it could not run as it says.
 * @throws InvalidOptionsError, InvalidInputError, NotJsonError or PayloadTooLargeError naming the
 *   member that is not allowed.
 */
export async function resolveSchedule(
  given: ScheduleOptions<never>,
  find: (task: string) => RegisteredTask | undefined,
): Promise<DefinitionRecord> {
  requireKnownKeys("schedule", given, SCHEDULE_OPTIONS);
  const task = taskOf(given.task, find);
  const { input } = given as { input?: unknown };
  const parsed = await requireInput(task, input);
  const rhythm = resolveRhythm(given);
  const { overlap = "skip" } = given;
  const jitterMs = durationMs("jitter", given.jitter ?? 0, 0, DAY_MS);
  return {
    task: task.name,
    ...(input === undefined ? undefined : { input: JSON.parse(JSON.stringify(input)) }),
    rhythm,
    ...(jitterMs === 0 ? undefined : { jitterMs }),
    overlap: requireOneOf("overlap", overlap, OVERLAPS),
    catchUp: resolveCatchUp(given.catchUp),
    ...resolveTaskOptions(task, given, jitterMs),
    ...resolveUnique(task, given, parsed),
  };
}

function taskOf(
  task: unknown,
  find: (task: string) => RegisteredTask | undefined,
): Pick<RegisteredTask, "name" | "input" | "unique"> {
  if (typeof task === "string") return find(requireTaskName(task)) ?? { name: task };
  const { name, run } = (task ?? {}) as Partial<RegisteredTask>;
  if (typeof name === "string" && typeof run === "function") return task as RegisteredTask;
  throw new InvalidOptionsError(`task must be a task or the name of one; got ${shown(task)}.`);
}

async function requireInput(task: Pick<RegisteredTask, "name" | "input">, input: unknown) {
  const parsed = await parseWith(task.input, `input of ${task.name}`, input);
  if (input === undefined) return parsed;
  requireJson("input", input);
  requirePayload("The input of a schedule", input, SCHEDULE_INPUT_BYTES_MAX);
  return parsed;
}

/** Throttle and debounce are for calls; of the claims a schedule makes `unique` alone. */
function resolveUnique(
  { unique }: Pick<RegisteredTask, "unique">,
  given: ScheduleSettings,
  input: unknown,
): { unique?: string } {
  const own = given.unique ?? unique;
  const claim = own === undefined ? undefined : resolveClaim({ unique: own }, {}, input);
  return claim ? { unique: claim.key } : {};
}

/**
 * Reads when a schedule runs.
 *
 * @throws InvalidScheduleError (`INVALID_SCHEDULE`) when it is not exactly one rhythm, or an
 *   impossible one.
 */
export function resolveRhythm(given: ScheduleSettings): RhythmRecord {
  const kinds = (["every", "cron", "at"] as const).filter((kind) => given[kind] !== undefined);
  if (kinds.length !== 1) {
    const got = kinds.length === 0 ? "none of them" : kinds.join(" and ");
    throw new InvalidScheduleError(
      kinds[1] ?? "every",
      `A schedule has exactly one of every, cron and at; got ${got}.`,
    );
  }
  const [kind] = kinds;
  const { every, cron, at, start, end } = given;
  refuseWithout(given, "timeZone", "cron");
  refuseWithout(given, "dst", "cron");
  if (kind === "at" && at !== undefined) {
    for (const member of ["start", "end"] as const) refuseWith(given, member, "at");
    return { at: instantMs("at", at) };
  }
  const bounds = {
    ...(start === undefined ? undefined : { startAt: instantMs("start", start) }),
    ...(end === undefined ? undefined : { endAt: instantMs("end", end) }),
  };
  const rhythm =
    cron === undefined
      ? { everyMs: durationMs("every", every ?? 0, SECOND_MS, TEN_YEARS_MS), ...bounds }
      : { ...resolveCron(cron, given), ...bounds };
  requireRun(rhythm);
  return rhythm;
}

function resolveCron(cron: string, { timeZone = "UTC", dst = {} }: ScheduleSettings) {
  parseCron(cron);
  zoneNamed(timeZone);
  requireKnownKeys("dst", dst, ["missing", "repeated"]);
  const missing = requireOneOf("dst.missing", dst.missing ?? "shift", ["shift", "skip"]);
  const repeated = requireOneOf("dst.repeated", dst.repeated ?? "first", ["first", "both"]);
  return { cron, timeZone, dst: { missing, repeated } };
}

function requireRun(rhythm: RhythmRecord): void {
  const { startAt = 0, endAt } = rhythm;
  if (endAt === undefined) return;
  if (endAt < startAt) {
    throw new InvalidScheduleError(
      "end",
      `end must not be before start; got start ${isoText(startAt)} and end ${isoText(endAt)}.`,
    );
  }
  if (nextTick(rhythm, startAt - 1) !== undefined) return;
  throw new InvalidScheduleError(
    "end",
    `The schedule would never run: it has no instant from ${isoText(startAt)} to ${isoText(endAt)}.`,
  );
}

function refuseWithout(given: ScheduleSettings, member: "timeZone" | "dst", kind: "cron"): void {
  if (given[member] === undefined || given[kind] !== undefined) return;
  throw new InvalidScheduleError(member, `${member} goes with ${kind} only.`);
}

function refuseWith(given: ScheduleSettings, member: "start" | "end", kind: string): void {
  if (given[member] === undefined) return;
  throw new InvalidScheduleError(member, `${member} does not go with ${kind}: it is a single run.`);
}

function resolveCatchUp(given: ScheduleSettings["catchUp"] = "last"): DefinitionRecord["catchUp"] {
  if (given === "none" || given === "last") return given;
  try {
    return durationMs("catchUp", given, SECOND_MS, TEN_YEARS_MS);
  } catch (error) {
    throw new InvalidOptionsError(
      `catchUp must be "none", "last" or a duration from 1 s to 10 years; got ${shown(given)}.`,
      { cause: error },
    );
  }
}

function resolveTaskOptions(task: object, given: ScheduleSettings, jitterMs: number) {
  const chosen = TASK_MEMBERS.filter((member) => given[member] !== undefined);
  const options = Object.fromEntries(chosen.map((member) => [member, given[member]]));
  const resolved = resolveDelayOptions(task, options);
  const { queue, priority, headers, expiresInMs, totalMs, timeout, retry, retention } = resolved;
  const { idle, preempt } = resolved;
  if (expiresInMs !== undefined && expiresInMs <= jitterMs) {
    throw new InvalidScheduleError(
      "expiresIn",
      `expiresIn must be longer than jitter, or runs would expire before they may start; ` +
        `got ${expiresInMs} ms and ${jitterMs} ms.`,
    );
  }
  return {
    queue,
    priority,
    ...(headers && { headers }),
    ...(expiresInMs === undefined ? undefined : { expiresInMs }),
    ...(totalMs === undefined ? undefined : { totalMs }),
    ...(idle ? { when: "idle" as const } : undefined),
    ...(preempt ? { preempt: true as const } : undefined),
    ...(timeout && { timeout }),
    ...(retry && { retry }),
    ...(retention && { retention }),
  };
}

function isoText(ms: number): string {
  return new Date(ms).toISOString();
}

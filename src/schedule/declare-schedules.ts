/**
 * Schedules that belong to an app's code, stored when the app opens, also while other versions of
 * the app run.
 *
 * Each stored schedule remembers the hash of its definition and the hashes of those that it
 * replaced. So a process that opens the app
 *
 * - with the definition that is stored changes nothing;
 * - with a new one replaces it; where the schedule stands in time, its pause, its runs and its
 *   counts stay;
 * - with one that was replaced before is an old version that restarts: its definition is left out,
 *   unless its `version` is higher than the stored one, which is how to go back on purpose;
 * - with a lower `version` than the stored one is old as well.
 *
 * Everything is checked before the first schedule is written. Each is written by compare-and-swap,
 * so any number of processes may open at once. If one dies in between, some are stored and the rest
 * follow when the app opens again. A schedule that is declared no more stays: an older version may
 * still want it, and nobody can tell; `etask schedules remove` removes it.
 */
import { createHash } from "node:crypto";
import { publish } from "../base/events.ts";
import type { LoopWorld } from "../base/loop.ts";
import type { Store } from "../store/store.ts";
import type { RegisteredTask } from "../task/task.ts";
import {
  changeSchedule,
  readSchedule,
  type ScheduleChange,
  type StoredSchedule,
  withNextTick,
} from "./change-schedule.ts";
import { type DeclaredSchedule, requireDeclared } from "./define-schedule.ts";
import { resolveSchedule } from "./resolve-schedule.ts";
import { ScheduleConflictError } from "./schedule-errors.ts";
import type { DeclaredRecord, DefinitionRecord } from "./schedule-record.ts";

const SUPERSEDED_MAX = 20;

interface Declaration {
  readonly app: string;
  readonly name: string;
  readonly version: number;
  readonly hash: string;
  readonly definition: DefinitionRecord;
}

/**
 * Stores the schedules that an app declares; see the essay above. `find` gives the tasks that the
 * app knows.
 *
 * @throws InvalidScheduleError, InvalidOptionsError, InvalidInputError before anything is written.
 * @throws ScheduleConflictError (`SCHEDULE_CONFLICT`) when a name is declared twice, or belongs to
 *   another app or to nobody's code; nothing is written then either.
 */
export async function declareSchedules(
  store: Store,
  world: LoopWorld,
  app: string,
  schedules: readonly DeclaredSchedule[],
  find: (task: string) => RegisteredTask | undefined = () => undefined,
): Promise<void> {
  const declarations = await resolveAll(app, requireDeclared(schedules), find);
  await Promise.all(
    declarations.map(async (each) => requireOwn(each, await readSchedule(store, each.name))),
  );
  await Promise.all(declarations.map((each) => declare(store, world, each)));
}

async function resolveAll(
  app: string,
  schedules: readonly DeclaredSchedule[],
  find: (task: string) => RegisteredTask | undefined,
): Promise<Declaration[]> {
  const seen = new Set<string>();
  const declarations: Declaration[] = [];
  for (const { name, version, options } of schedules) {
    if (seen.has(name)) {
      throw new ScheduleConflictError(`The schedule ${name} is declared twice by the app ${app}.`);
    }
    seen.add(name);
    const definition = await resolveSchedule(options, find);
    declarations.push({ app, name, version, hash: hashOf(definition), definition });
  }
  return declarations;
}

async function declare(store: Store, world: LoopWorld, declaration: Declaration): Promise<void> {
  const now = world.clock.now();
  let superseded = false;
  await changeSchedule(store, world, declaration.name, (stored) => {
    superseded = false;
    if (!stored) return created(declaration, now);
    const declared = requireOwn(declaration, stored);
    if (isSuperseded(declaration, declared)) {
      superseded = true;
      return undefined;
    }
    return replaced(declaration, stored, declared, now);
  });
  if (superseded) publish("etask:schedule:superseded", { schedule: declaration.name });
}

function requireOwn({ app, name }: Declaration, stored: undefined): undefined;
function requireOwn({ app, name }: Declaration, stored: StoredSchedule): DeclaredRecord;
function requireOwn(
  { app, name }: Declaration,
  stored: StoredSchedule | undefined,
): DeclaredRecord | undefined;
function requireOwn(
  { app, name }: Declaration,
  stored: StoredSchedule | undefined,
): DeclaredRecord | undefined {
  if (!stored) return undefined;
  const { declared } = stored.record;
  if (declared?.app === app) return declared;
  const owner = declared ? `is declared by the app ${declared.app}` : "was made by hand";
  throw new ScheduleConflictError(
    `The schedule ${name} ${owner}, so the app ${app} cannot declare it. ` +
      "Give one of the two another name, or remove the stored one.",
  );
}

function isSuperseded({ hash, version }: Declaration, declared: DeclaredRecord): boolean {
  if (version > declared.version) return false;
  return version < declared.version || declared.superseded.includes(hash);
}

function created({ app, hash, version, definition }: Declaration, now: number): ScheduleChange {
  const record: ScheduleChange = {
    definition,
    declared: { app, hash, version, superseded: [] },
    createdAt: now,
    updatedAt: now,
    fired: 0,
    skipped: 0,
    buffered: [],
    runs: [],
  };
  return withNextTick(record, now);
}

function replaced(
  { app, hash, version, definition }: Declaration,
  { record }: StoredSchedule,
  declared: DeclaredRecord,
  now: number,
): ScheduleChange | undefined {
  if (declared.hash === hash && declared.version === version) return undefined;
  const others = [...declared.superseded, declared.hash].filter((each) => each !== hash);
  const superseded = others.slice(-SUPERSEDED_MAX);
  const next = {
    ...record,
    definition,
    declared: { app, hash, version, superseded },
    updatedAt: now,
  };
  return withDefinition(next, record.definition, now);
}

/**
 * A record whose definition has changed. What is due by the same rhythm stays due, a new rhythm
 * begins now.
 */
export function withDefinition(
  record: ScheduleChange,
  before: DefinitionRecord,
  now: number,
): ScheduleChange {
  const same = hashOf(record.definition.rhythm) === hashOf(before.rhythm);
  return same ? record : withNextTick(record, now);
}

/** Of data, whatever the order of its members. */
function hashOf(value: unknown): string {
  return createHash("sha256").update(canonical(value)).digest("hex").slice(0, 32);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
  const members = Object.entries(value).filter(([, each]) => each !== undefined);
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`).join()}}`;
}

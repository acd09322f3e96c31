import { InvalidOptionsError } from "../base/errors.ts";
import { createIdSource, type IdSource } from "../base/ids.ts";
import type { LoopWorld } from "../base/loop.ts";
import { requireInteger, requireKnownKeys, shown } from "../base/options.ts";
import { whoAndWhy } from "../broker/cancel.ts";
import { dropClaimPart, holderOf } from "../broker/claim-holder.ts";
import { type EnqueueReceipt, receiptOf } from "../broker/enqueue.ts";
import { afterKey, inRange } from "../store/range.ts";
import type { Store } from "../store/store.ts";
import type { TaskHandle } from "../task/handle.ts";
import { SCHEDULES_RANGE, scheduleKey, scheduleOfKey } from "../task/keyspace.ts";
import type { RegisteredTask } from "../task/task.ts";
import { readOr } from "../task/task-reader.ts";
import {
  changeSchedule,
  readSchedule,
  removeSchedule,
  type ScheduleChange,
  type StoredSchedule,
  storedOf,
  withNextTick,
} from "./change-schedule.ts";
import { withDefinition } from "./declare-schedules.ts";
import {
  isScheduleName,
  requireScheduleName,
  resolveRhythm,
  resolveSchedule,
} from "./resolve-schedule.ts";
import { nextTick, nextTicks, type RhythmRecord } from "./rhythm.ts";
import { runPart, withRun } from "./run-part.ts";
import { type RunNow, readRuns } from "./runs.ts";
import {
  InvalidScheduleError,
  ScheduleConflictError,
  ScheduleExistsError,
  ScheduleNotFoundError,
} from "./schedule-errors.ts";
import type { ScheduleOptions, ScheduleSettings } from "./schedule-options.ts";
import { type DefinitionRecord, decodeSchedule } from "./schedule-record.ts";
import { type ScheduleView, scheduleView } from "./schedule-view.ts";

/** One page of schedules. `cursor` continues the listing; absent on the last page. */
export interface SchedulePage {
  readonly schedules: readonly ScheduleView[];
  readonly cursor: string | undefined;
}

/** What schedules need from their app. */
export interface SchedulesApp {
  /** The tasks that the app knows, by name: inputs are checked by their schemas. */
  find(task: string): RegisteredTask | undefined;
  handle(receipt: EnqueueReceipt): TaskHandle;
}

const PREVIEW_MAX = 1_000;
const TRIES_MAX = 200;

/**
 * Periodic tasks as data in the store: any process may make and change them, and the Beat that
 * leads runs them. Every method is one guarded commit, or repeats one until it holds.
 */
export class Schedules {
  readonly #store: Store;
  readonly #world: LoopWorld;
  readonly #app: SchedulesApp;
  readonly #nextSequence: IdSource;

  constructor(store: Store, world: LoopWorld, app: SchedulesApp) {
    this.#store = store;
    this.#world = world;
    this.#app = app;
    this.#nextSequence = createIdSource(world.clock, world.random);
  }

  /**
   * Makes a schedule; its first run is the first one after now.
   *
   * @throws ScheduleExistsError (`SCHEDULE_EXISTS`) when there is one of that name.
   * @throws InvalidScheduleError (`INVALID_SCHEDULE`) when it could not run as it says.
   * @throws InvalidOptionsError, InvalidInputError, NotJsonError or PayloadTooLargeError naming
   *   what is wrong. Nothing is written then.
   */
  async create<In = unknown>(name: string, options: ScheduleOptions<In>): Promise<ScheduleView> {
    const definition = await this.#resolve(name, options);
    return this.#change(name, (stored) => {
      if (stored) throw new ScheduleExistsError(name);
      return this.#created(definition);
    });
  }

  /**
   * Makes a schedule or replaces the definition of one; its pause, its runs and its counts stay. A
   * rhythm that is the same goes on, a new one begins now.
   *
   * @throws ScheduleConflictError (`SCHEDULE_CONFLICT`) when it is declared by an app's code.
   * @throws what {@link Schedules.create} throws for what it is given.
   */
  async upsert<In = unknown>(name: string, options: ScheduleOptions<In>): Promise<ScheduleView> {
    const definition = await this.#resolve(name, options);
    return this.#change(name, (stored) => {
      if (!stored) return this.#created(definition);
      const { record } = stored;
      if (record.declared) {
        throw new ScheduleConflictError(
          `The schedule ${name} is declared by the app ${record.declared.app}; change it there.`,
        );
      }
      const now = this.#world.clock.now();
      return withDefinition({ ...record, definition, updatedAt: now }, record.definition, now);
    });
  }

  /** One schedule with its last runs as they are now, or `undefined` when there is none. */
  async get(name: string): Promise<ScheduleView | undefined> {
    const stored = await readSchedule(this.#store, requireScheduleName(name));
    return stored && this.#view(stored);
  }

  /**
   * Schedules in the order of their names. Damaged ones are reported as `etask:record:malformed`
   * and left out.
   */
  async list(options: { limit?: number; cursor?: string } = {}): Promise<SchedulePage> {
    requireKnownKeys("list", options, ["limit", "cursor"]);
    const limit = requireInteger("limit", options.limit ?? 100, 1, 1_000);
    const { cursor } = options;
    const start = cursor === undefined ? SCHEDULES_RANGE.start : afterKey(keyOfCursor(cursor));
    const page = await this.#store.range({ start, end: SCHEDULES_RANGE.end }, { limit });
    const stored = page.entries.flatMap((entry) => {
      const name = scheduleOfKey(entry.key);
      const valid = isScheduleName(name) && readOr(entry, decodeSchedule);
      return valid ? [storedOf(name, entry)] : [];
    });
    const last = page.more ? page.entries.at(-1) : undefined;
    return {
      schedules: await Promise.all(stored.map((each) => this.#view(each))),
      cursor: last && scheduleOfKey(last.key),
    };
  }

  /**
   * Makes no more runs until it is resumed; runs whose instants pass meanwhile are not made up for.
   * Tasks that exist go on.
   *
   * @throws ScheduleNotFoundError (`SCHEDULE_NOT_FOUND`)
   */
  pause(name: string, options: { reason?: string; by?: string } = {}): Promise<ScheduleView> {
    requireKnownKeys("pause", options, ["reason", "by"]);
    const paused = { at: this.#world.clock.now(), ...whoAndWhy(options) };
    return this.#change(requireScheduleName(name), (stored) => {
      if (!stored) throw new ScheduleNotFoundError(name);
      return { ...stored.record, paused, updatedAt: paused.at };
    });
  }

  /**
   * Goes on after a pause, with the first instant after now. Without a pause it changes nothing.
   *
   * @throws ScheduleNotFoundError (`SCHEDULE_NOT_FOUND`)
   */
  resume(name: string): Promise<ScheduleView> {
    return this.#change(requireScheduleName(name), (stored) => {
      if (!stored?.record.paused) return undefined;
      const { paused: _over, ...record } = stored.record;
      const now = this.#world.clock.now();
      return withNextTick({ ...record, updatedAt: now }, now);
    });
  }

  /**
   * Runs it once, now, also while it is paused or an earlier run goes on; its rhythm stays. The
   * task is among its runs, so later runs wait for it or not as the schedule says. If the task is
   * to be unique and another one has its key, the handle is that one's, with `created: false`.
   *
   * @throws ScheduleNotFoundError (`SCHEDULE_NOT_FOUND`)
   * @throws StoreNearlyFullError (`STORE_NEARLY_FULL`) when the store has no room for new tasks.
   */
  async trigger(name: string): Promise<TaskHandle> {
    requireScheduleName(name);
    const sequence = this.#nextSequence();
    const now = this.#world.clock.now();
    const run = { tick: now, id: `${name}@trigger-${sequence}`, triggered: true };
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const stored = await readSchedule(this.#store, name);
      if (!stored) throw new ScheduleNotFoundError(name);
      const part = runPart(stored, withRun(stored.record, run), run, { sequence, now });
      const [result] = await this.#store.commit([part]);
      const changed = result?.reads[1]?.modRevision !== stored.revision;
      if (!result || (!result.applied && changed && !result.reads[0])) continue;
      const claim = result.reads[0] ? undefined : result.reads[3];
      if (!claim) return this.#app.handle({ ...receiptOf(run.id, result), created: true });
      const holder = await holderOf(this.#store, claim, now);
      const { revision } = result;
      if (holder) return this.#app.handle({ id: holder.id, revision, created: false });
      await this.#store.commit([dropClaimPart(claim)]);
    }
    throw new ScheduleConflictError(`The schedule ${name} kept changing. Try again later.`);
  }

  /** Removes a schedule; whether there was one. Tasks that it made go on. */
  remove(name: string): Promise<boolean> {
    return removeSchedule(this.#store, requireScheduleName(name));
  }

  /**
   * The next instants, up to `count` of them (1 to 1,000), of a stored schedule or of one that is
   * only thought of. A pause is not looked at, and jitter comes on top.
   *
   * @throws ScheduleNotFoundError (`SCHEDULE_NOT_FOUND`), InvalidScheduleError
   *   (`INVALID_SCHEDULE`)
   */
  async preview(schedule: string | ScheduleSettings, count = 10): Promise<Date[]> {
    requireInteger("count", count, 1, PREVIEW_MAX);
    const now = this.#world.clock.now();
    if (typeof schedule !== "string") {
      if (schedule === null || typeof schedule !== "object") {
        throw new InvalidOptionsError(
          `preview takes a schedule's name or its options; got ${shown(schedule)}.`,
        );
      }
      return datesOf(resolveRhythm(schedule), now, count);
    }
    const stored = await readSchedule(this.#store, requireScheduleName(schedule));
    if (!stored) throw new ScheduleNotFoundError(schedule);
    const { definition, lastTick = 0 } = stored.record;
    return datesOf(definition.rhythm, Math.max(now, lastTick), count);
  }

  #resolve<In>(name: string, options: ScheduleOptions<In>): Promise<DefinitionRecord> {
    requireScheduleName(name);
    const given = options as unknown as ScheduleOptions<never>;
    return resolveSchedule(given, (task) => this.#app.find(task));
  }

  #created(definition: DefinitionRecord): ScheduleChange {
    const now = this.#world.clock.now();
    if (nextTick(definition.rhythm, now) === undefined) {
      throw new InvalidScheduleError(
        "at" in definition.rhythm ? "at" : "end",
        `The schedule would never run: it has no instant after ${new Date(now).toISOString()}.`,
      );
    }
    const record = { definition, createdAt: now, updatedAt: now, fired: 0, skipped: 0 };
    return withNextTick({ ...record, buffered: [], runs: [] }, now);
  }

  async #change(
    name: string,
    change: (stored: StoredSchedule | undefined) => ScheduleChange | undefined,
  ): Promise<ScheduleView> {
    return this.#view(await changeSchedule(this.#store, this.#world, name, change));
  }

  async #view(stored: StoredSchedule): Promise<ScheduleView> {
    const runs: RunNow[] = await readRuns(this.#store, stored.record.runs);
    return scheduleView(stored, runs);
  }
}

function datesOf(rhythm: RhythmRecord, after: number, count: number): Date[] {
  return nextTicks(rhythm, after, count).map((tick) => new Date(tick));
}

function keyOfCursor(cursor: unknown): string {
  const key = typeof cursor === "string" ? scheduleKey(cursor) : "";
  if (isScheduleName(cursor) && inRange(SCHEDULES_RANGE, key)) return key;
  throw new InvalidOptionsError(
    `cursor must be one that a listing of schedules gave; got ${shown(cursor)}.`,
  );
}

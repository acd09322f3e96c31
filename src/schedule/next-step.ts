/**
 * What is to be done about a schedule at a moment: a pure function from its record, what became of
 * its last runs and the time, to one step. The ticker takes steps until none is left.
 */
import { lastTickUpTo, nextTick, ticksFrom } from "./rhythm.ts";
import { tickId, withRun } from "./run-part.ts";
import { type RunNow, runRecord } from "./runs.ts";
import { BUFFERED_MAX, type RunRecord, type ScheduleRecord } from "./schedule-record.ts";

/** A run that is no later than this was not missed; long enough for another Beat to take over. */
export const ON_TIME_MS = 10_000;

/** Most missed runs that are counted at once. */
const MISSED_COUNTED_MAX = 1_000;

/** Why an instant makes no task. */
export type SkipReason = "missed" | "overlap" | "buffer-full" | "replaced" | "unique";

/** One step; `next` is the record after it. */
export type Step =
  | { readonly kind: "run"; readonly next: ScheduleRecord; readonly run: RunRecord }
  | {
      readonly kind: "advance";
      readonly next: ScheduleRecord;
      /** Instants that make no task. */
      readonly skipped: readonly number[];
      readonly why: SkipReason;
    };

/** Whether there may be something to do; what waits for an earlier run is looked at when asked. */
export function isDue(record: ScheduleRecord, now: number): boolean {
  return !record.paused && record.nextTick !== undefined && record.nextTick <= now;
}

/** Whether runs wait for earlier ones to end. */
export function hasBuffered(record: ScheduleRecord): boolean {
  return !record.paused && record.buffered.length > 0;
}

/** The runs that a step which starts a task has to wait for. */
export function runsInTheWay(record: ScheduleRecord, runs: readonly RunNow[]): readonly RunNow[] {
  return record.definition.overlap === "allow" ? [] : runs.filter(({ end }) => end === undefined);
}

/** The next step, or `undefined` when there is nothing to do at `now`. */
export function nextStep(
  name: string,
  record: ScheduleRecord,
  runs: readonly RunNow[],
  now: number,
): Step | undefined {
  if (record.paused) return undefined;
  const known = { ...record, runs: runs.map(runRecord) };
  const [first, ...others] = record.buffered;
  const free = runsInTheWay(record, runs).length === 0;
  if (first !== undefined && free) {
    return runOf(name, { ...known, buffered: others }, first);
  }
  const tick = record.nextTick;
  if (tick === undefined || tick > now) return undefined;
  const from = caughtUpFrom(record, tick, now);
  if (tick < from) return skipMissed(known, tick, from);
  const after = advanced(known, tick);
  return free ? runOf(name, after, tick) : overlapped(after, tick);
}

/** The first of the instants since `tick` that still counts at `now`. */
function caughtUpFrom({ definition }: ScheduleRecord, tick: number, now: number): number {
  const onTime = now - ON_TIME_MS;
  const { catchUp, rhythm } = definition;
  if (tick >= onTime || catchUp === "none") return onTime;
  if (catchUp === "last") return Math.min(onTime, lastTickUpTo(rhythm, tick, now));
  return Math.min(onTime, now - catchUp);
}

function skipMissed(record: ScheduleRecord, tick: number, from: number): Step {
  const skipped = ticksFrom(record.definition.rhythm, tick, from, MISSED_COUNTED_MAX);
  const next = { ...advanced(record, from - 1), skipped: record.skipped + skipped.length };
  return { kind: "advance", next, skipped, why: "missed" };
}

function overlapped(record: ScheduleRecord, tick: number): Step {
  const { buffered } = record;
  switch (record.definition.overlap) {
    case "bufferOne":
      return buffered.length === 0 ? buffer(record, [tick]) : skip(record, tick, "overlap");
    case "bufferAll":
      if (buffered.length >= BUFFERED_MAX) return skip(record, tick, "buffer-full");
      return buffer(record, [...buffered, tick]);
    case "cancelOther":
      return buffer(record, [tick], buffered);
    default:
      return skip(record, tick, "overlap");
  }
}

function buffer(
  record: ScheduleRecord,
  buffered: readonly number[],
  replaced: readonly number[] = [],
): Step {
  const next = { ...record, buffered, skipped: record.skipped + replaced.length };
  return { kind: "advance", next, skipped: replaced, why: "replaced" };
}

function skip(record: ScheduleRecord, tick: number, why: SkipReason): Step {
  return {
    kind: "advance",
    next: { ...record, skipped: record.skipped + 1 },
    skipped: [tick],
    why,
  };
}

/** Instead of a run whose task would not be unique: its instant makes none. */
export function leftOut(
  { runs, fired, skipped }: ScheduleRecord,
  { next, run }: Step & { kind: "run" },
): Step & { kind: "advance" } {
  const record = { ...next, runs, fired, skipped: skipped + 1 };
  return { kind: "advance", next: record, skipped: [run.tick], why: "unique" };
}

function runOf(name: string, record: ScheduleRecord, tick: number): Step {
  const run = { tick, id: tickId(name, tick) };
  return { kind: "run", next: withRun(record, run), run };
}

/** The record once every instant up to `tick` was dealt with. */
function advanced({ nextTick: _done, ...record }: ScheduleRecord, tick: number): ScheduleRecord {
  const next = nextTick(record.definition.rhythm, tick);
  return { ...record, lastTick: tick, ...(next === undefined ? undefined : { nextTick: next }) };
}

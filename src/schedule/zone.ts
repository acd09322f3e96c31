/**
 * Time zones as stretches of constant offset, from the time-zone database that Node carries (ICU).
 *
 * Within a stretch, wall-clock time and instants are one to one. Between two stretches the clock is
 * put forward, and a piece of wall-clock time is missing, or back, and a piece is repeated. `Intl`
 * tells offsets only, so the changes between them are found by looking at every day and halving
 * the days that differ. What was found is kept, in blocks of 32 days.
 */
import { shown } from "../base/options.ts";
import { InvalidScheduleError } from "./schedule-errors.ts";

/** A stretch of time during which a zone's offset from UTC is constant. Milliseconds throughout. */
export interface Stretch {
  /** Where it begins; at least two days before the instant asked for when nothing changed there. */
  readonly start: number;
  /** The first instant after it; the next stretch may have the same offset. */
  readonly end: number;
  /** Wall-clock time minus UTC. */
  readonly offset: number;
  /** The offset before `start`; equal to `offset` when the clock was not changed there. */
  readonly before: number;
}

/** One time zone. */
export interface Zone {
  /** Wall-clock time minus UTC at an instant. */
  offsetAt(instant: number): number;
  /** The stretch that an instant lies in. */
  stretchAt(instant: number): Stretch;
}

const DAY_MS = 86_400_000;
const BLOCK_MS = 32 * DAY_MS;
/** The largest change of a clock there ever was is a whole day, over the date line. */
const LOOK_BACK_MS = 2 * DAY_MS;
const BLOCKS_MAX = 5_000;
const ZONES_MAX = 1_000;

const zones = new Map<string, Zone>();

/** @throws InvalidScheduleError (`INVALID_SCHEDULE`) when there is no such zone. */
export function zoneNamed(name: string): Zone {
  const known = zones.get(name);
  if (known) return known;
  const zone = createZone(offsetsOf(name));
  if (zones.size >= ZONES_MAX) zones.clear();
  zones.set(name, zone);
  return zone;
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  try {
    // Newer versions of Node also take offsets such as "+01:00"; a schedule must mean the same on
    // all.
    if (!/^[A-Za-z]/.test(timeZone)) throw new RangeError("An offset is no zone.");
    return new Intl.DateTimeFormat("en-US", {
      timeZone,
      calendar: "gregory",
      numberingSystem: "latn",
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  } catch (error) {
    throw new InvalidScheduleError(
      "timeZone",
      `timeZone must be a name of the IANA time-zone database, such as "Europe/Berlin" or "UTC"; ` +
        `got ${shown(timeZone)}.`,
      undefined,
      error,
    );
  }
}

function offsetsOf(timeZone: string): (instant: number) => number {
  const format = formatOf(timeZone);
  return (instant) => {
    const second = Math.floor(instant / 1_000) * 1_000;
    const [month = 0, day = 0, year = 0, hour = 0, minute = 0, rest = 0] = (
      format.format(second).match(/\d+/g) ?? []
    ).map(Number);
    return Date.UTC(year, month - 1, day, hour, minute, rest) - second;
  };
}

/** A zone from its offsets. Split off so that tests can make up zones of their own. */
export function createZone(offsetAt: (instant: number) => number): Zone {
  const blocks = new Map<number, readonly Stretch[]>();
  const blockAt = (index: number) => {
    const known = blocks.get(index);
    if (known) return known;
    if (blocks.size >= BLOCKS_MAX) blocks.clear();
    const found = stretchesOf(offsetAt, index * BLOCK_MS);
    blocks.set(index, found);
    return found;
  };
  return {
    offsetAt,
    stretchAt: (instant) => {
      const found = blockAt(Math.floor(instant / BLOCK_MS)).find(({ end }) => instant < end);
      if (found) return found;
      throw new RangeError(`The instant ${instant} lies in no stretch.`);
    },
  };
}

/** The stretches of one block; the first one may have begun before it. */
function stretchesOf(offsetAt: (instant: number) => number, blockStart: number): Stretch[] {
  const blockEnd = blockStart + BLOCK_MS;
  const stretches: Stretch[] = [];
  let start = blockStart - LOOK_BACK_MS;
  let offset = offsetAt(start);
  let before = offset;
  for (let day = start; day < blockEnd; day += DAY_MS) {
    const next = offsetAt(day + DAY_MS);
    if (next === offset) continue;
    const end = changeBetween(offsetAt, day, day + DAY_MS, offset);
    if (end >= blockEnd) break;
    stretches.push({ start, end, offset, before });
    [start, before, offset] = [end, offset, next];
  }
  stretches.push({ start, end: blockEnd, offset, before });
  return stretches.filter(({ end }) => end > blockStart);
}

/** The first instant after `from` at which the offset is no longer `offset`. */
function changeBetween(
  offsetAt: (instant: number) => number,
  from: number,
  to: number,
  offset: number,
): number {
  let [same, other] = [from, to];
  while (other - same > 1) {
    const middle = Math.floor((same + other) / 2);
    if (offsetAt(middle) === offset) same = middle;
    else other = middle;
  }
  return other;
}

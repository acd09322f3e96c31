import fc from "fast-check";
import { expect, test } from "vitest";
import { type CronPattern, parseCron } from "./cron.ts";
import { type DstRecord, nextCronTick } from "./cron-ticks.ts";
import { type Zone, zoneNamed } from "./zone.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const POLICIES: readonly DstRecord[] = [
  { missing: "shift", repeated: "first" },
  { missing: "shift", repeated: "both" },
  { missing: "skip", repeated: "first" },
  { missing: "skip", repeated: "both" },
];
const [DEFAULT = { missing: "shift", repeated: "first" }] = POLICIES;

function ticks(
  expression: string,
  zone: string,
  from: string,
  to: string,
  dst: DstRecord = DEFAULT,
): string[] {
  const found: string[] = [];
  const pattern = parseCron(expression);
  for (let after = Date.parse(from) - 1; ; ) {
    const tick = nextCronTick(pattern, zoneNamed(zone), dst, after);
    if (tick === undefined || tick >= Date.parse(to)) return found;
    found.push(new Date(tick).toISOString().slice(0, 16));
    after = tick;
  }
}

test("row 13: a day whose clock is put forward has its run, shifted, or none by choice", () => {
  const day = ["Europe/Berlin", "2030-03-30T12:00Z", "2030-04-01T12:00Z"] as const;
  expect(ticks("30 2 * * *", ...day)).toEqual(["2030-03-31T01:30", "2030-04-01T00:30"]);
  const skip: DstRecord = { missing: "skip", repeated: "first" };
  expect(ticks("30 2 * * *", ...day, skip)).toEqual(["2030-04-01T00:30"]);
});

test("row 13: a day whose clock is put back has one run, or two by choice", () => {
  const day = ["Europe/Berlin", "2030-10-26T12:00Z", "2030-10-28T12:00Z"] as const;
  expect(ticks("30 2 * * *", ...day)).toEqual(["2030-10-27T00:30", "2030-10-28T01:30"]);
  const both: DstRecord = { missing: "shift", repeated: "both" };
  expect(ticks("30 2 * * *", ...day, both)).toEqual([
    "2030-10-27T00:30",
    "2030-10-27T01:30",
    "2030-10-28T01:30",
  ]);
});

test("schedules: shifted runs that fall on others are one run, and all come in order", () => {
  const day = ["Europe/Berlin", "2030-03-31T00:00Z", "2030-03-31T04:00Z"] as const;
  expect(ticks("0,30 2-3 * * *", ...day)).toEqual(["2030-03-31T01:00", "2030-03-31T01:30"]);
  expect(ticks("15 2,3 * * *", ...day)).toEqual(["2030-03-31T01:15"]);
  expect(ticks("*/20 2 * * *", ...day)).toEqual([
    "2030-03-31T01:00",
    "2030-03-31T01:20",
    "2030-03-31T01:40",
  ]);
});

test("schedules: every hour means every hour, whatever the clock does", () => {
  const forward = ["Europe/Berlin", "2030-03-31T00:00Z", "2030-03-31T03:00Z"] as const;
  const back = ["Europe/Berlin", "2030-10-27T00:00Z", "2030-10-27T03:00Z"] as const;
  for (const dst of POLICIES) {
    expect(ticks("0 * * * *", ...forward, dst)).toHaveLength(3);
    expect(ticks("0 * * * *", ...back, dst)).toHaveLength(3);
    expect(ticks("*/30 */1 * * *", ...back, dst)).toHaveLength(6);
  }
});

test("schedules: half an hour on Lord Howe, two hours on Troll, three quarters in Kathmandu", () => {
  expect(
    ticks("10 2 * * *", "Australia/Lord_Howe", "2030-10-05T00:00Z", "2030-10-07T00:00Z"),
  ).toEqual(["2030-10-05T15:40", "2030-10-06T15:10"]);
  expect(ticks("30 1 * * *", "Antarctica/Troll", "2030-03-30T12:00Z", "2030-04-01T12:00Z")).toEqual(
    ["2030-03-31T01:30", "2030-03-31T23:30"],
  );
  expect(ticks("0 9 * * *", "Asia/Kathmandu", "2030-01-01T00:00Z", "2030-01-02T00:00Z")).toEqual([
    "2030-01-01T03:15",
  ]);
});

test("schedules: the day that Apia left out is made up for by the next one", () => {
  const days = ["Pacific/Apia", "2011-12-29T00:00Z", "2012-01-01T00:00Z"] as const;
  const next = ["2011-12-29T19:00", "2011-12-30T19:00", "2011-12-31T19:00"];
  expect(ticks("0 9 * * *", ...days)).toEqual(next);
  expect(ticks("0 9 30 * *", ...days)).toEqual(["2011-12-30T19:00"]);
  const skip: DstRecord = { missing: "skip", repeated: "first" };
  expect(ticks("0 9 30 * *", ...days, skip)).toEqual([]);
});

/** What the rules say, minute by minute and in the plainest way. */
function bruteTicks(
  pattern: CronPattern,
  zone: Zone,
  dst: DstRecord,
  from: number,
  end: number,
): number[] {
  const found = new Set<number>();
  const walls = new Map<number, number>();
  let offset = zone.offsetAt(from - 2 * DAY - MINUTE);
  for (let now = from - 2 * DAY; now < end; now += MINUTE) {
    const before = offset;
    offset = zone.offsetAt(now);
    const wall = now + offset;
    const again = walls.has(wall);
    walls.set(wall, now);
    const counts = pattern.everyHour || dst.repeated === "both" || !again;
    if (pattern.matches(wall) && counts) found.add(now);
    if (offset <= before || pattern.everyHour || dst.missing === "skip") continue;
    for (let missing = now + before; missing < now + offset; missing += MINUTE) {
      if (pattern.matches(missing)) found.add(missing - before);
    }
  }
  return [...found].filter((tick) => tick >= from && tick < end).sort((a, b) => a - b);
}

const ZONES = Intl.supportedValuesOf("timeZone");
const [FIRST_DAY, LAST_DAY] = [Date.UTC(2007, 0, 1), Date.UTC(2037, 0, 1)];

/** The days of a year on which the zone's clock is changed, else its first day. */
function changeDays(zone: Zone, year: number): number[] {
  const days: number[] = [];
  for (let day = Date.UTC(year, 0, 1); day < Date.UTC(year + 1, 0, 1); day += DAY) {
    if (zone.offsetAt(day) !== zone.offsetAt(day + DAY)) days.push(day);
  }
  return days.length > 0 ? days : [Date.UTC(year, 0, 1)];
}

const minute = fc.oneof(
  fc.constantFrom("*", "0", "30", "*/15", "0,45", "5-10", "59"),
  fc.nat({ max: 59 }).map(String),
);
const hour = fc.oneof(
  fc.constantFrom("*", "*/2", "0-23", "2", "1-3", "0,2,23", "0-4/2", "1,2,3"),
  fc.nat({ max: 23 }).map(String),
);
const rest = fc.constantFrom("* * *", "* * *", "* * SUN", "1-31/2 * *", "* * MON-SAT", "L * *");
const expression = fc.tuple(minute, hour, rest).map((fields) => fields.join(" "));

function compareWithBrute(
  zoneName: string,
  text: string,
  dst: DstRecord,
  from: number,
  end: number,
): void {
  const zone = zoneNamed(zoneName);
  const pattern = parseCron(text);
  const expected = bruteTicks(pattern, zone, dst, from, end);
  const actual: number[] = [];
  for (let after = from - 1; ; ) {
    const tick = nextCronTick(pattern, zone, dst, after);
    if (tick === undefined || tick >= end) break;
    if (tick <= after) throw new Error(`${tick} does not come after ${after}`);
    actual.push(tick);
    after = tick;
  }
  const show = (list: readonly number[]) => list.map((each) => new Date(each).toISOString());
  expect(show(actual), `${text} in ${zoneName}`).toEqual(show(expected));
}

test("row 13: in every zone of the database no tick is missed, invented or repeated", () => {
  const sample = fc.sample(fc.tuple(expression, fc.constantFrom(...POLICIES)), {
    numRuns: ZONES.length,
    seed: 13,
  });
  for (const [index, zone] of ZONES.entries()) {
    const [text, dst] = sample[index] ?? ["0 2 * * *", DEFAULT];
    const year = 2007 + (index % 30);
    for (const day of changeDays(zoneNamed(zone), year)) {
      compareWithBrute(zone, text, dst, day - 12 * HOUR, day + 2 * DAY);
    }
  }
}, 120_000);

test("schedules: any expression, zone, policy and moment agrees with a scan of the minutes", () => {
  const odd = ["Australia/Lord_Howe", "Antarctica/Troll", "Africa/Casablanca", "Asia/Gaza"];
  const zone = fc.oneof(fc.constantFrom(...odd), fc.constantFrom(...ZONES));
  const moment = fc.integer({ min: FIRST_DAY / MINUTE, max: LAST_DAY / MINUTE });
  fc.assert(
    fc.property(
      zone,
      expression,
      fc.constantFrom(...POLICIES),
      moment,
      fc.boolean(),
      (name, text, dst, at, nearChange) => {
        const year = new Date(at * MINUTE).getUTCFullYear();
        const days = changeDays(zoneNamed(name), year);
        const from = nearChange
          ? (days[at % days.length] ?? 0) + (at % 1_440) * MINUTE - DAY / 2
          : at * MINUTE;
        compareWithBrute(name, text, dst, from, from + DAY);
      },
    ),
    { numRuns: 300 },
  );
}, 120_000);

test("schedules: a wall-clock time that a zone never repeats runs once a day, every day", () => {
  fc.assert(
    fc.property(fc.constantFrom(...ZONES), fc.integer({ min: 2007, max: 2036 }), (name, year) => {
      const pattern = parseCron("0 12 * * *");
      const zone = zoneNamed(name);
      const start = Date.UTC(year, 0, 2);
      let [after, count] = [start, 0];
      for (let tick = after; tick < start + 300 * DAY; count += 1) {
        tick = nextCronTick(pattern, zone, DEFAULT, after) ?? Number.POSITIVE_INFINITY;
        expect(tick - after).toBeLessThanOrEqual(DAY + 3 * HOUR);
        after = tick;
      }
      expect(Math.abs(count - 300)).toBeLessThanOrEqual(2);
    }),
    { numRuns: 100 },
  );
}, 120_000);

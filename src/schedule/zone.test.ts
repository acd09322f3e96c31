import { expect, test } from "vitest";
import { createZone, zoneNamed } from "./zone.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

test("zone: a stretch ends at the very moment at which the clock is changed", () => {
  const zone = zoneNamed("Europe/Berlin");
  const change = Date.UTC(2030, 2, 31, 1);
  expect(zone.stretchAt(change - 1)).toMatchObject({ end: change, offset: HOUR });
  expect(zone.stretchAt(change)).toMatchObject({
    start: change,
    offset: 2 * HOUR,
    before: HOUR,
  });
});

test("zone: a change just before the end of a block is known after it", () => {
  const block = 32 * DAY;
  const change = 100 * block - 60_000;
  const zone = createZone((instant) => (instant < change ? 0 : HOUR));
  expect(zone.stretchAt(100 * block)).toMatchObject({ start: change, offset: HOUR, before: 0 });
  expect(zone.stretchAt(100 * block + 5 * DAY)).toMatchObject({ start: change, offset: HOUR });
  expect(zone.stretchAt(101 * block)).toMatchObject({ offset: HOUR, before: HOUR });
});

test("zone: two changes within days are both found", () => {
  const [first, second] = [Date.UTC(2030, 5, 1, 7, 30), Date.UTC(2030, 5, 3, 9)];
  const zone = createZone((instant) => (instant >= first && instant < second ? HOUR : 0));
  expect(zone.stretchAt(first)).toEqual({ start: first, end: second, offset: HOUR, before: 0 });
  expect(zone.stretchAt(second)).toMatchObject({ start: second, offset: 0, before: HOUR });
});

test("zone: seconds of an offset count, as they did in Monrovia until 1972", () => {
  expect(zoneNamed("Africa/Monrovia").offsetAt(0)).toBe(-(44 * 60 + 30) * 1_000);
  expect(zoneNamed("Asia/Kathmandu").offsetAt(Date.UTC(2030, 0, 1))).toBe(5.75 * HOUR);
});

test("zone: a name that is none is refused, and so is an offset", () => {
  for (const name of ["Mars/Olympus", "+01:00", "", "UTC+1"]) {
    expect(() => zoneNamed(name)).toThrow(expect.objectContaining({ code: "INVALID_SCHEDULE" }));
  }
});

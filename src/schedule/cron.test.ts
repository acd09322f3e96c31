import { expect, test } from "vitest";
import { parseCron } from "./cron.ts";
import { InvalidScheduleError } from "./schedule-errors.ts";

const at = (text: string) => Date.parse(`${text}Z`);

function refusalOf(expression: string): InvalidScheduleError {
  try {
    parseCron(expression);
  } catch (error) {
    if (error instanceof InvalidScheduleError) return error;
    throw error;
  }
  throw new Error(`${expression} was accepted.`);
}

test.each([
  ["5 fields", "30 3 * * *", "2030-01-01T03:30:00"],
  ["6 fields, seconds first", "15 30 3 * * *", "2030-01-01T03:30:15"],
  ["names", "0 0 * feb MON-FRI", "2030-02-01T00:00:00"],
  ["lists, ranges, steps", "0 8-18/5,23 * * *", "2030-01-01T08:00:00"],
  ["7 is Sunday", "0 0 * * 7", "2030-01-06T00:00:00"],
  ["the last day of a month", "0 0 L 2 *", "2030-02-28T00:00:00"],
  ["the second Friday", "0 0 * * FRI#2", "2030-01-11T00:00:00"],
  ["day of month or day of week", "0 0 13 * FRI", "2030-01-04T00:00:00"],
  ["@hourly", "@hourly", "2030-01-01T01:00:00"],
  ["@daily", "@Daily", "2030-01-02T00:00:00"],
  ["@weekly", "@weekly", "2030-01-06T00:00:00"],
  ["@monthly", "@monthly", "2030-02-01T00:00:00"],
  ["@yearly", "@yearly", "2031-01-01T00:00:00"],
  ["a leap day", "0 0 29 2 *", "2032-02-29T00:00:00"],
])("cron: understands %s", (_what, expression, first) => {
  const wall = parseCron(expression).atOrAfter(at("2030-01-01T00:00:00") + 1);
  expect(new Date(wall ?? 0).toISOString()).toBe(`${first}.000Z`);
});

test("cron: a time that matches is the first at or after itself", () => {
  const noon = at("2030-01-01T12:00:00");
  expect(parseCron("0 12 * * *").atOrAfter(noon)).toBe(noon);
  expect(parseCron("0 12 * * *").atOrAfter(noon + 1)).toBe(noon + 86_400_000);
});

test.each([
  ["60 * * * *", 1, 'the minute "60" at position 1'],
  ["0 25 * * *", 3, 'the hour "25" at position 3'],
  ["0  3 32 * *", 6, 'the day of month "32" at position 6'],
  ["0 3 * foo *", 7, 'the month "foo" at position 7'],
  ["0 3 * * MONDAY", 9, 'the day of week "MONDAY" at position 9'],
  ["99 0 3 * * *", 1, 'the second "99" at position 1'],
  ["*/0 * * * *", 1, 'the minute "*/0" at position 1'],
  ["0 9-5 * * *", 3, 'the hour "9-5" at position 3'],
  ["0 ? * * *", 3, 'the hour "?" at position 3: "?" is not supported'],
  ["0 0 30 2 *", 5, 'the day of month "30" at position 5'],
  ["0 0 31 4,6,9,11 *", 5, "no month that is asked for ever has such a day"],
  ["0 3 * *", 8, "with 4 fields, wrong from position 8 on"],
  ["0 0 3 * * * 2030", 13, "with 7 fields, wrong from position 13 on"],
  ["", 1, "with 0 fields"],
  ["@fortnightly", 13, "@yearly"],
  ["@reboot", 8, "with 1 fields"],
])("cron: %j is refused, and the position is named", (expression, position, message) => {
  const error = refusalOf(expression);
  expect(error.message).toContain(message);
  expect([error.code, error.option, error.position]).toEqual([
    "INVALID_SCHEDULE",
    "cron",
    position,
  ]);
});

test("cron: what is no text, or a very long one, is refused", () => {
  expect(refusalOf(5 as unknown as string).message).toContain("cron must be a text");
  expect(refusalOf("1,".repeat(200)).message).toContain("at most 200 characters");
});

test("cron: an hour that begins with a wildcard means every hour", () => {
  const every = ["* * * * *", "*/5 */2 * * *", "@hourly"].map((each) => parseCron(each).everyHour);
  const fixed = ["* 2 * * *", "0 0-23 * * *", "@daily"].map((each) => parseCron(each).everyHour);
  expect([every, fixed]).toEqual([
    [true, true, true],
    [false, false, false],
  ]);
});

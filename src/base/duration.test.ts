import fc from "fast-check";
import { expect, test } from "vitest";
import { durationMs } from "./duration.ts";

const read = (given: number | string) => durationMs("pause", given, 0, 30 * 86_400_000);

test.each([
  ["250ms", 250],
  ["30s", 30_000],
  ["1.5 s", 1_500],
  [" 5m ", 300_000],
  ["2h", 7_200_000],
  ["7d", 604_800_000],
  ["0ms", 0],
  [0, 0],
  [1_234, 1_234],
  [0.4, 0],
] as const)("duration: %j is %d ms", (given, ms) => {
  expect(read(given)).toBe(ms);
});

test.each(["", "5", "m", "-5s", "5 minutes", "5m30s", "1e3ms", ".5s", "5M", Number.NaN, -1])(
  "duration: %j is refused with the option's name and what is allowed",
  (given) => {
    expect(() => read(given)).toThrow(
      expect.objectContaining({
        code: "INVALID_OPTIONS",
        message: expect.stringMatching(/^pause must be a duration between 0 ms and \d+ ms/),
      }),
    );
  },
);

test("duration: outside of the bounds is refused, at the bounds it is not", () => {
  const bounded = (given: number | string) => durationMs("pause", given, 1_000, 60_000);
  expect([bounded("1s"), bounded("1m")]).toEqual([1_000, 60_000]);
  for (const given of [999, "61s", Number.POSITIVE_INFINITY]) {
    expect(() => bounded(given)).toThrow(expect.objectContaining({ code: "INVALID_OPTIONS" }));
  }
});

test("duration: a number of milliseconds and its text mean the same", () => {
  fc.assert(
    fc.property(fc.nat(2_000_000_000), (ms) => {
      expect(read(`${ms}ms`)).toBe(read(ms));
    }),
  );
});

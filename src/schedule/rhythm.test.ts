import fc from "fast-check";
import { expect, test } from "vitest";
import { lastTickUpTo, nextTick, nextTicks, type RhythmRecord, ticksFrom } from "./rhythm.ts";

const UTC = { timeZone: "UTC", dst: { missing: "shift", repeated: "first" } } as const;

test("rhythm: an interval is anchored at the epoch and does not drift", () => {
  expect(nextTicks({ everyMs: 10_000 }, 1_700_000_001_234, 3)).toEqual([
    1_700_000_010_000, 1_700_000_020_000, 1_700_000_030_000,
  ]);
  expect(nextTick({ everyMs: 10_000 }, 1_700_000_010_000)).toBe(1_700_000_020_000);
});

test("rhythm: with a start, an interval is anchored there, and its first instant is the start", () => {
  const rhythm: RhythmRecord = { everyMs: 10_000, startAt: 5_123, endAt: 25_123 };
  expect(nextTicks(rhythm, 0, 9)).toEqual([5_123, 15_123, 25_123]);
  expect(nextTick(rhythm, 25_123)).toBeUndefined();
});

test("rhythm: a one-off comes once", () => {
  expect(nextTick({ at: 100 }, 99)).toBe(100);
  expect(nextTick({ at: 100 }, 100)).toBeUndefined();
});

test("rhythm: cron stays within start and end, both included", () => {
  const [startAt, endAt] = [Date.UTC(2030, 0, 1), Date.UTC(2030, 0, 3)];
  const rhythm: RhythmRecord = { cron: "@daily", ...UTC, startAt, endAt };
  expect(nextTicks(rhythm, 0, 9)).toEqual([startAt, startAt + 86_400_000, endAt]);
});

test("rhythm: there is no instant beyond what keys can name", () => {
  expect(nextTick({ cron: "@yearly", ...UTC }, Date.UTC(2286, 0, 1))).toBeUndefined();
});

test("rhythm: ticksFrom lists what lies in between, with the first and without the end", () => {
  expect(ticksFrom({ everyMs: 10 }, 20, 50, 9)).toEqual([20, 30, 40]);
  expect(ticksFrom({ everyMs: 10, endAt: 30 }, 20, 50, 9)).toEqual([20, 30]);
  expect(ticksFrom({ everyMs: 10 }, 20, 50, 2)).toEqual([20, 30]);
});

test("rhythm: the last instant up to now is the one that counting would find", () => {
  const rhythm = fc.oneof(
    fc.integer({ min: 1_000, max: 10_000_000 }).map((everyMs): RhythmRecord => ({ everyMs })),
    fc.constantFrom("* * * * *", "0 */3 * * *", "30 2 * * *", "*/10 1-4 * * MON", "0 0 L * *").map(
      (cron): RhythmRecord => ({
        cron,
        timeZone: "America/New_York",
        dst: { missing: "shift", repeated: "both" },
      }),
    ),
  );
  const instant = fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2035, 0, 1) });
  fc.assert(
    fc.property(rhythm, instant, fc.integer({ min: 0, max: 864_000_000 }), (each, after, ms) => {
      const first = nextTick(each, after);
      if (first === undefined) return;
      const now = first + ms;
      const last = lastTickUpTo(each, first, now);
      expect(last).toBeLessThanOrEqual(now);
      expect(nextTick(each, last - 1)).toBe(last);
      expect(nextTick(each, last) ?? Number.POSITIVE_INFINITY).toBeGreaterThan(now);
    }),
    { numRuns: 500 },
  );
});

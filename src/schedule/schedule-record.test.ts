import { expect, test } from "vitest";
import { encodeRecord } from "../task/records.ts";
import { jitterOf, tickId, withRun } from "./run-part.ts";
import { decodeSchedule, type RunRecord, type ScheduleRecord } from "./schedule-record.ts";

const record: ScheduleRecord = {
  definition: {
    task: "t",
    rhythm: { cron: "@daily", timeZone: "UTC", dst: { missing: "shift", repeated: "first" } },
    overlap: "skip",
    catchUp: 60_000,
    queue: "default",
    priority: 5,
  },
  declared: { app: "shop", hash: "00", version: 1, superseded: ["11"] },
  paused: { at: 1, by: "me" },
  createdAt: 1,
  updatedAt: 2,
  lastTick: 3,
  nextTick: 4,
  fired: 1,
  skipped: 0,
  buffered: [3],
  runs: [{ tick: 3, id: "s@3", end: "removed", triggered: true }],
  nonce: "ab",
};

test("schedule record: what is written is what is read", () => {
  expect(decodeSchedule(encodeRecord(record))).toEqual(record);
});

const { definition } = record;
const damages: readonly [string, object][] = [
  ["another version", { v: 2 }],
  ["no definition", { definition: undefined }],
  ["no task", { definition: { ...definition, task: "" } }],
  ["a queue that is none", { definition: { ...definition, queue: "a/b" } }],
  ["no rhythm", { definition: { ...definition, rhythm: {} } }],
  ["an interval of nothing", { definition: { ...definition, rhythm: { everyMs: 0 } } }],
  ["a rhythm without its zone", { definition: { ...definition, rhythm: { cron: "@daily" } } }],
  ["an unknown overlap", { definition: { ...definition, overlap: "x" } }],
  ["an unknown catch-up", { definition: { ...definition, catchUp: "x" } }],
  ["a next instant that is none", { nextTick: "soon" }],
  ["no list of what waits", { buffered: 5 }],
  ["what waits for no instant", { buffered: ["x"] }],
  ["runs that are none", { runs: [{}] }],
  ["a run with an unknown end", { runs: [{ tick: 1, id: "a", end: "x" }] }],
  ["a pause without a time", { paused: {} }],
  ["a declaration without an app", { declared: { version: 1, hash: "", superseded: [] } }],
  ["no nonce", { nonce: undefined }],
];

test.each(damages)("schedule record: %s is malformed", (_what, damage) => {
  const bytes = encodeRecord({ ...record, ...damage });
  expect(() => decodeSchedule(bytes)).toThrow(
    expect.objectContaining({ code: "RECORD_MALFORMED" }),
  );
});

test("schedule record: the last ten runs are remembered, and those that go on before others", () => {
  let next = record;
  const run = (tick: number): RunRecord => ({
    tick,
    id: `s@${tick}`,
    ...(tick % 2 === 0 ? { end: "succeeded" } : undefined),
  });
  for (let tick = 4; tick < 20; tick += 1) next = withRun(next, run(tick));
  expect(next.runs).toHaveLength(10);
  expect(next.fired).toBe(17);
  expect(next.runs.map(({ tick }) => tick)).toEqual([5, 7, 9, 11, 13, 15, 16, 17, 18, 19]);
});

test("schedule record: a tick's id and its jitter follow from name and instant alone", () => {
  const tick = Date.UTC(2026, 10, 24, 3);
  expect(tickId("nightly", tick)).toBe("nightly@2026-11-24T03:00:00.000Z");
  expect(jitterOf("nightly", tick)).toBe(0);
  expect(jitterOf("nightly", tick, 1_000)).toBe(jitterOf("nightly", tick, 1_000));
  const values = Array.from({ length: 1_000 }, (_, n) => jitterOf("s", tick + n * 60_000, 999));
  expect(Math.min(...values)).toBeLessThan(50);
  expect(Math.max(...values)).toBeGreaterThan(950);
  expect(Math.max(...values)).toBeLessThanOrEqual(999);
  const tenths = new Set(values.map((value) => Math.floor(value / 100)));
  expect(tenths.size).toBe(10);
});

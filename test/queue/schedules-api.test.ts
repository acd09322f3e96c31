import { expect, test } from "vitest";
import { z } from "zod";
import { prefixRange } from "../../src/store/range.ts";
import { defineTask } from "../../src/task/task.ts";
import { createScheduleWorld } from "./support/schedules.ts";

const START = Date.UTC(2030, 0, 1);

const check = defineTask({
  name: "disk.check",
  queue: "disks",
  priority: 3,
  input: z.object({ node: z.string() }),
  run: () => "fine",
});

test("schedules: one is made, read, listed, replaced and removed", async () => {
  await using bundle = await createScheduleWorld([check]);
  const { schedules } = bundle.app;
  const made = await schedules.create("nightly", {
    task: check,
    input: { node: "n7" },
    cron: "0 3 * * *",
    timeZone: "Europe/Berlin",
    jitter: "5m",
    end: "2031-01-01T00:00:00Z",
  });
  expect(made).toEqual({
    name: "nightly",
    task: "disk.check",
    input: { node: "n7" },
    every: undefined,
    cron: "0 3 * * *",
    at: undefined,
    timeZone: "Europe/Berlin",
    dst: { missing: "shift", repeated: "first" },
    jitter: 300_000,
    start: undefined,
    end: new Date("2031-01-01T00:00:00Z"),
    overlap: "skip",
    catchUp: "last",
    queue: "disks",
    priority: 3,
    headers: {},
    expiresIn: undefined,
    totalTimeout: undefined,
    when: "always",
    preempt: false,
    timeout: undefined,
    retry: undefined,
    retention: undefined,
    paused: undefined,
    nextRun: new Date("2030-01-01T02:00:00Z"),
    lastRun: undefined,
    runs: [],
    fired: 0,
    skipped: 0,
    buffered: [],
    declared: undefined,
    createdAt: new Date(START),
    updatedAt: new Date(START),
    revision: expect.any(Number),
  });
  expect(await schedules.get("nightly")).toEqual(made);
  await bundle.world.clock.advance(1_000);
  const replaced = await schedules.upsert("nightly", {
    task: "disk.check",
    input: { node: "n8" },
    every: "1h",
  });
  expect(replaced).toMatchObject({ every: 3_600_000, cron: undefined, input: { node: "n8" } });
  expect(replaced.nextRun).toEqual(new Date(START + 3_600_000));
  expect(replaced.createdAt).toEqual(made.createdAt);
  for (const name of ["a", "b", "z"]) await schedules.create(name, { task: "t", every: "1h" });
  const first = await schedules.list({ limit: 3 });
  expect(first.schedules.map(({ name }) => name)).toEqual(["a", "b", "nightly"]);
  const rest = await schedules.list({ cursor: first.cursor ?? "" });
  expect(rest.schedules.map(({ name }) => name)).toEqual(["z"]);
  expect(rest.cursor).toBeUndefined();
  expect(await schedules.remove("nightly")).toBe(true);
  expect(await schedules.remove("nightly")).toBe(false);
  expect(await schedules.get("nightly")).toBeUndefined();
});

test("schedules: a replaced definition keeps what is due when its rhythm stays", async () => {
  await using bundle = await createScheduleWorld();
  const { app, world } = bundle;
  await app.schedules.create("s", { task: "old", every: "1h" });
  await world.clock.advance(3_700_000);
  await app.schedules.upsert("s", { task: "new", every: "1h" });
  bundle.tick();
  await world.clock.advance(1_000);
  expect(bundle.ticked("s")).toEqual([3_600]);
  expect((await app.backend.get(bundle.idAt("s", 3_600)))?.name).toBe("new");
});

test("schedules: a pause stops the runs, and none of them is made up for", async () => {
  await using bundle = await createScheduleWorld();
  const { app, world } = bundle;
  await app.schedules.create("s", { task: "t", every: "10s", overlap: "allow", catchUp: "1h" });
  bundle.tick();
  await world.clock.advance(15_000);
  const paused = await app.schedules.pause("s", { reason: "maintenance", by: "ops" });
  expect(paused.paused).toEqual({
    at: new Date(START + 15_000),
    reason: "maintenance",
    by: "ops",
  });
  expect(paused.nextRun).toBeUndefined();
  await world.clock.advance(60_000);
  const trigger = await app.schedules.trigger("s");
  expect(trigger.id).toMatch(/^s@trigger-[0-9A-Z]{26}$/);
  const resumed = await app.schedules.resume("s");
  expect(resumed.paused).toBeUndefined();
  expect(resumed.nextRun).toEqual(new Date(START + 80_000));
  expect((await app.schedules.resume("s")).revision).toBe(resumed.revision);
  await world.clock.advance(10_000);
  expect(bundle.ticked("s")).toEqual([10, 80]);
});

test("schedules: trigger runs it once more and leaves its rhythm alone", async () => {
  await using bundle = await createScheduleWorld();
  const { app, world } = bundle;
  const before = await app.schedules.create("s", { task: "t", input: [1], every: "1h" });
  await world.clock.advance(5_000);
  const handles = await Promise.all([app.schedules.trigger("s"), app.schedules.trigger("s")]);
  for (const handle of handles) {
    expect(handle.created).toBe(true);
    expect(await handle.state()).toMatchObject({
      state: "pending",
      input: [1],
      schedule: { name: "s", tick: new Date(START + 5_000) },
    });
  }
  const after = await app.schedules.get("s");
  expect(after?.nextRun).toEqual(before.nextRun);
  expect(after?.lastRun).toBeUndefined();
  expect(new Set(after?.runs.map(({ id }) => id))).toEqual(new Set(handles.map(({ id }) => id)));
});

test("schedules: jitter puts runs off by as much for every Beat, and never before their instant", async () => {
  await using bundle = await createScheduleWorld();
  const { app, world } = bundle;
  const jittery = { task: "t", every: "1m", overlap: "allow", jitter: "30s" } as const;
  await app.schedules.create("s", jittery);
  bundle.tick();
  await world.clock.advance(1_200_000);
  const dues = [...bundle.specs().keys()].map(async (id) => {
    const view = await app.backend.get(id);
    const tick = view?.schedule?.tick.getTime() ?? 0;
    return (view?.dueAt?.getTime() ?? tick) - tick;
  });
  const late = await Promise.all(dues);
  expect(late).toHaveLength(20);
  expect(late.every((ms) => ms >= 0 && ms <= 30_000)).toBe(true);
  expect(new Set(late).size).toBeGreaterThan(10);
});

test("schedules: nothing runs before start or after end, and an interval counts from start", async () => {
  await using bundle = await createScheduleWorld();
  const { app, world } = bundle;
  const made = await app.schedules.create("s", {
    task: "t",
    every: "10s",
    overlap: "allow",
    start: new Date(START + 33_000),
    end: new Date(START + 63_000),
  });
  expect(made.nextRun).toEqual(new Date(START + 33_000));
  bundle.tick();
  await world.clock.advance(120_000);
  expect(bundle.ticked("s")).toEqual([33, 43, 53, 63]);
  expect((await app.schedules.get("s"))?.nextRun).toBeUndefined();
});

test("schedules: a one-off runs once and is kept until somebody removes it", async () => {
  await using bundle = await createScheduleWorld();
  const { app, world } = bundle;
  await app.schedules.create("once", { task: "t", at: new Date(START + 12_345) });
  bundle.tick();
  await world.clock.advance(120_000);
  expect(bundle.ticked("once")).toEqual([12.345]);
  expect(await app.schedules.get("once")).toMatchObject({ fired: 1, nextRun: undefined });
});

test("schedules: a preview tells the next runs of what is stored and of what is thought of", async () => {
  await using bundle = await createScheduleWorld();
  const { schedules } = bundle.app;
  await schedules.create("s", { task: "t", every: "1h" });
  expect(await schedules.preview("s", 2)).toEqual([
    new Date(START + 3_600_000),
    new Date(START + 7_200_000),
  ]);
  const cron = { cron: "30 2 * * *", timeZone: "Europe/Berlin", start: "2030-03-30T00:00:00Z" };
  expect(await schedules.preview(cron, 3)).toEqual([
    new Date("2030-03-30T01:30:00Z"),
    new Date("2030-03-31T01:30:00Z"),
    new Date("2030-04-01T00:30:00Z"),
  ]);
  expect(await schedules.preview({ at: new Date(START + 1) })).toHaveLength(1);
  expect(await schedules.preview({ at: new Date(START - 1) })).toEqual([]);
  expect(await schedules.preview({ cron: "* * * * *" }, 1_000)).toHaveLength(1_000);
  await expect(schedules.preview("none")).rejects.toMatchObject({ code: "SCHEDULE_NOT_FOUND" });
  await expect(schedules.preview("s", 1_001)).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
});

const bad: readonly [string, object, string, RegExp][] = [
  ["no rhythm", {}, "INVALID_SCHEDULE", /exactly one of every, cron and at; got none/],
  ["two rhythms", { every: "1m", cron: "@daily" }, "INVALID_SCHEDULE", /got every and cron/],
  ["a bad cron field", { cron: "0 25 * * *" }, "INVALID_SCHEDULE", /hour "25" at position 3/],
  ["a day that never comes", { cron: "0 0 30 2 *" }, "INVALID_SCHEDULE", /never|ever/],
  ["an unknown zone", { cron: "@daily", timeZone: "Mars" }, "INVALID_SCHEDULE", /"Mars"/],
  ["a zone that is an offset", { cron: "@daily", timeZone: "+01:00" }, "INVALID_SCHEDULE", /IANA/],
  ["a zone without cron", { every: "1m", timeZone: "UTC" }, "INVALID_SCHEDULE", /with cron only/],
  ["a bad policy", { cron: "@daily", dst: { missing: "x" } }, "INVALID_OPTIONS", /dst.missing/],
  ["an interval below a second", { every: "999ms" }, "INVALID_OPTIONS", /every must be a duration/],
  ["an interval that is none", { every: "soon" }, "INVALID_OPTIONS", /every must be a duration/],
  [
    "an end before the start",
    { every: "1m", start: "2030-02-01T00:00Z", end: "2030-01-01T00:00Z" },
    "INVALID_SCHEDULE",
    /end must not be before start/,
  ],
  [
    "no run between start and end",
    { cron: "@yearly", start: "2030-02-01T00:00Z", end: "2030-03-01T00:00Z" },
    "INVALID_SCHEDULE",
    /would never run/,
  ],
  [
    "an end that has passed",
    { every: "1m", end: "2029-01-01T00:00Z" },
    "INVALID_SCHEDULE",
    /never run/,
  ],
  ["an instant that has passed", { at: "2029-01-01T00:00Z" }, "INVALID_SCHEDULE", /never run/],
  [
    "start with at",
    { at: "2031-01-01T00:00Z", start: "2030-01-01T00:00Z" },
    "INVALID_SCHEDULE",
    /start/,
  ],
  [
    "expiry within the jitter",
    { every: "1h", jitter: "1h", expiresIn: "1h" },
    "INVALID_SCHEDULE",
    /longer than jitter/,
  ],
  [
    "an unknown overlap",
    { every: "1h", overlap: "maybe" },
    "INVALID_OPTIONS",
    /overlap must be one of/,
  ],
  ["a bad catch-up", { every: "1h", catchUp: "some" }, "INVALID_OPTIONS", /"none", "last" or/],
  ["an option that is none", { every: "1h", foo: 1 }, "INVALID_OPTIONS", /no option "foo"/],
  ["an id", { every: "1h", id: "x" }, "INVALID_OPTIONS", /no option "id"/],
  ["a bad priority", { every: "1h", priority: 10 }, "INVALID_OPTIONS", /priority/],
  ["no task", { every: "1h", task: undefined }, "INVALID_OPTIONS", /task must be/],
  ["an input against the schema", { every: "1h", input: { node: 5 } }, "INVALID_INPUT", /node/],
  ["an input that is no JSON", { every: "1h", task: "t", input: [1n] }, "NOT_JSON", /input\[0\]/],
  [
    "a large input",
    { every: "1h", task: "t", input: "x".repeat(17_000) },
    "PAYLOAD_TOO_LARGE",
    /16384/,
  ],
];

test.each(bad)(
  "schedules: %s is refused, and nothing is written",
  async (_what, given, code, text) => {
    await using bundle = await createScheduleWorld([check]);
    const { app, world } = bundle;
    const options = { task: "disk.check", input: { node: "n" }, ...given } as never;
    const refusal = { code, message: expect.stringMatching(text) };
    await expect(app.schedules.create("s", options)).rejects.toMatchObject(refusal);
    await expect(app.schedules.upsert("s", options)).rejects.toMatchObject(refusal);
    expect((await world.store.range(prefixRange("schedule/"))).entries).toEqual([]);
  },
);

test("schedules: a second one of a name is refused, and none is no one", async () => {
  await using bundle = await createScheduleWorld();
  const { schedules } = bundle.app;
  await schedules.create("s", { task: "t", every: "1h" });
  const again = schedules.create("s", { task: "t", every: "2h" });
  await expect(again).rejects.toMatchObject({ code: "SCHEDULE_EXISTS" });
  expect((await schedules.get("s"))?.every).toBe(3_600_000);
  for (const act of [schedules.pause("x"), schedules.resume("x"), schedules.trigger("x")]) {
    await expect(act).rejects.toMatchObject({ code: "SCHEDULE_NOT_FOUND" });
  }
  for (const name of ["", "_a", "a/b", "a b", "~", "a".repeat(101)]) {
    const made = schedules.create(name, { task: "t", every: "1h" });
    await expect(made).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
  }
  await expect(schedules.list({ cursor: "a/b" })).rejects.toMatchObject({
    code: "INVALID_OPTIONS",
  });
});

test("schedules: of two that create at once one succeeds, and changes at once all land", async () => {
  await using bundle = await createScheduleWorld();
  const { app, world } = bundle;
  const other = await world.app([], { beat: false });
  const both = await Promise.allSettled(
    [app, other].map((each) => each.schedules.create("s", { task: "t", every: "1h" })),
  );
  expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  await Promise.all(Array.from({ length: 20 }, () => app.schedules.trigger("s")));
  expect((await app.schedules.get("s"))?.fired).toBe(20);
});

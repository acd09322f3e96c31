import { expect, test } from "vitest";
import { declareSchedules } from "../../src/schedule/declare-schedules.ts";
import { type DeclaredSchedule, defineSchedule } from "../../src/schedule/define-schedule.ts";
import type { ScheduleOptions } from "../../src/schedule/schedule-options.ts";
import { prefixRange } from "../../src/store/range.ts";
import { noteEvents } from "./support/events.ts";
import { createScheduleWorld } from "./support/schedules.ts";

async function setup() {
  const bundle = await createScheduleWorld();
  const { world, app } = bundle;
  const superseded = noteEvents("etask:schedule:superseded");
  const declare = (name: string, ...schedules: DeclaredSchedule[]) =>
    declareSchedules(world.storage.open(), world, name, schedules);
  return {
    ...bundle,
    superseded: superseded.seen,
    declare,
    every: async () => (await app.schedules.get("s"))?.every,
    [Symbol.asyncDispose]: async () => {
      superseded[Symbol.dispose]();
      await bundle[Symbol.asyncDispose]();
    },
  };
}

const every = (ms: number, options: Partial<ScheduleOptions> & { version?: number } = {}) =>
  defineSchedule({ name: "s", task: "t", every: ms, ...options } as never);

test("declared: two app versions do not fight over a schedule", async () => {
  await using s = await setup();
  const [old, next] = [every(60_000), every(30_000)];
  await s.declare("shop", old);
  await s.declare("shop", next);
  expect(await s.every()).toBe(30_000);
  // Workers of the old version go on to restart while the new one is rolled out.
  for (let restarts = 0; restarts < 3; restarts += 1) {
    await s.declare("shop", old);
    await s.declare("shop", next);
  }
  expect(await s.every()).toBe(30_000);
  expect(s.superseded).toHaveLength(3);
});

test("declared: the same definition changes nothing, however its members are ordered", async () => {
  await using s = await setup();
  const input = { a: 1, b: { c: [2], d: new Date(0) } };
  await s.declare("shop", every(60_000, { input }));
  const before = await s.app.schedules.get("s");
  const reordered = { b: { d: "1970-01-01T00:00:00.000Z", c: [2] }, a: 1 };
  await s.declare("shop", every(60_000, { input: reordered }));
  expect(await s.app.schedules.get("s")).toEqual(before);
});

test("declared: a raised version goes back to an earlier definition, for good", async () => {
  await using s = await setup();
  await s.declare("shop", every(60_000));
  await s.declare("shop", every(30_000));
  await s.declare("shop", every(60_000, { version: 1 }));
  expect(await s.every()).toBe(60_000);
  await s.declare("shop", every(30_000));
  await s.declare("shop", every(10_000));
  expect(await s.every()).toBe(60_000);
  await s.declare("shop", every(30_000, { version: 2 }));
  expect(await s.every()).toBe(30_000);
  expect((await s.app.schedules.get("s"))?.declared).toEqual({ app: "shop", version: 2 });
});

test("declared: a new definition keeps the pause, the runs and the counts", async () => {
  await using s = await setup();
  const { world, app } = s;
  await s.declare("shop", every(10_000, { overlap: "allow" }));
  const ticker = s.tick();
  await world.clock.advance(30_000);
  await app.schedules.pause("s", { by: "ops" });
  await s.declare("shop", every(5_000, { overlap: "allow" }));
  const view = await app.schedules.get("s");
  expect(view).toMatchObject({ every: 5_000, fired: 3, paused: { by: "ops" } });
  expect(view?.runs).toHaveLength(3);
  await app.schedules.resume("s");
  await world.clock.advance(10_000);
  expect(s.ticked("s")).toEqual([10, 20, 30, 35, 40]);
  await ticker.stop();
});

test("declared: what is due by the same rhythm is not lost by a deploy", async () => {
  await using s = await setup();
  await s.declare("shop", every(3_600_000));
  await s.world.clock.advance(3_700_000);
  await s.declare("shop", every(3_600_000, { priority: 9 }));
  s.tick();
  await s.world.clock.advance(1_000);
  expect(s.ticked("s")).toEqual([3_600]);
});

test("declared: a name of another app, or one made by hand, is not taken over", async () => {
  await using s = await setup();
  const conflict = { code: "SCHEDULE_CONFLICT" };
  await s.declare("shop", every(60_000));
  await expect(s.declare("other", every(30_000))).rejects.toMatchObject({
    ...conflict,
    message: expect.stringContaining("is declared by the app shop"),
  });
  await s.app.schedules.create("hand", { task: "t", every: "1h" });
  const hand = defineSchedule({ name: "hand", task: "t", every: "1m" });
  const good = defineSchedule({ name: "good", task: "t", every: "1m" });
  await expect(s.declare("shop", good, hand)).rejects.toMatchObject({
    ...conflict,
    message: expect.stringContaining("was made by hand"),
  });
  expect(await s.app.schedules.get("good")).toBeUndefined();
  const twice = s.declare("shop", every(60_000), every(30_000));
  await expect(twice).rejects.toMatchObject({
    ...conflict,
    message: "The schedule s is declared twice by the app shop.",
  });
  const changed = s.app.schedules.upsert("s", { task: "t", every: "1h" });
  await expect(changed).rejects.toMatchObject(conflict);
  expect(await s.every()).toBe(60_000);
});

test("declared: many processes that start at once store it once", async () => {
  await using s = await setup();
  await Promise.all(Array.from({ length: 10 }, () => s.declare("shop", every(60_000))));
  const puts = s.world.storage.log
    .flatMap(({ events }) => events)
    .filter(({ key, type }) => key === "schedule/s" && type === "put");
  expect(puts).toHaveLength(1);
});

test("declared: bad definitions are refused before anything is written", async () => {
  await using s = await setup();
  const good = defineSchedule({ name: "good", task: "t", every: "1m" });
  const bad = defineSchedule({ name: "bad", task: "t", cron: "99 * * * *" });
  await expect(s.declare("shop", good, bad)).rejects.toMatchObject({ code: "INVALID_SCHEDULE" });
  expect((await s.world.store.range(prefixRange("schedule/"))).entries).toEqual([]);
  expect(() => defineSchedule({ name: "a/b", task: "t", every: "1m" })).toThrow(/name/);
  expect(() => defineSchedule({ name: "a", task: "t", every: "1m", version: -1 })).toThrow(
    /version/,
  );
  expect(() => defineSchedule({ name: "a", task: "t", evry: "1m" } as never)).toThrow(/evry/);
  await expect(s.declare("shop", {} as never)).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
});

test("declared: a one-off that has passed does not keep an app from starting", async () => {
  await using s = await setup();
  await s.declare("shop", defineSchedule({ name: "s", task: "t", at: "2020-01-01T00:00:00Z" }));
  expect(await s.app.schedules.get("s")).toMatchObject({ fired: 0, nextRun: undefined });
});

import { expect, test } from "vitest";
import type { Clock } from "../../src/base/clock.ts";
import { del, put } from "../../src/store/part.ts";
import { StoreUnavailableError } from "../../src/store/store-errors.ts";
import { ADMISSION_KEY, scheduleKey } from "../../src/task/keyspace.ts";
import { noteEvents } from "./support/events.ts";
import { createScheduleWorld, steps } from "./support/schedules.ts";
import { defineQuickTask } from "./support/tasks.ts";
import { TroubledStore, writtenKeys } from "./support/troubled-store.ts";

const NOTHING = new Uint8Array();

test("ticker: each instant makes one task, at its time, with an id that follows from it", async () => {
  await using bundle = await createScheduleWorld();
  const { world, app } = bundle;
  await app.schedules.create("check", {
    task: "disk.check",
    input: { deep: true },
    every: "10s",
    overlap: "allow",
    queue: "slow",
    priority: 7,
    headers: { from: "schedule" },
    retry: { attempts: 3 },
    timeout: "30s",
    expiresIn: "5m",
  });
  using late = noteEvents("etask:schedule:ticked");
  bundle.tick();
  await world.clock.advance(60_000);
  expect(bundle.ticked("check")).toEqual(steps(6, 10));
  expect(late.seen.every(({ lateMs }) => lateMs >= 0 && lateMs <= 5)).toBe(true);
  expect([...bundle.specs()]).toEqual(
    steps(6, 10).map((second) => [bundle.idAt("check", second), 1]),
  );
  const view = await app.backend.get(bundle.idAt("check", 30));
  expect(view).toMatchObject({
    name: "disk.check",
    input: { deep: true },
    queue: "slow",
    priority: 7,
    headers: { from: "schedule" },
    state: "pending",
  });
  expect(view?.schedule?.name).toBe("check");
  expect(bundle.idAt("check", 30)).toBe(`check@${view?.schedule?.tick.toISOString()}`);
  expect((view?.expiresAt?.getTime() ?? 0) - (view?.createdAt.getTime() ?? 0)).toBe(300_000);
});

test("ticker: a whole app runs a schedule, and the schedule remembers how its runs ended", async () => {
  await using bundle = await createScheduleWorld();
  const { world } = bundle;
  const quick = defineQuickTask("quick");
  const app = await world.app([quick]);
  const worker = app.createWorker();
  await world.drive(worker.start());
  await app.schedules.create("often", { task: quick, input: { n: 1 }, every: "1s" });
  await world.until(async () => (await app.schedules.get("often"))?.fired === 12);
  const view = await app.schedules.get("often");
  expect(view?.runs).toHaveLength(10);
  expect(view?.runs.slice(0, 9).map(({ state }) => state)).toEqual(
    Array.from({ length: 9 }, () => "succeeded"),
  );
  expect(view?.lastRun).toEqual(view?.runs.at(-1)?.tick);
  expect(view?.nextRun?.getTime()).toBe((view?.lastRun?.getTime() ?? 0) + 1_000);
});

test("row 1: beat is no single point of failure, and two Beats make no duplicate tasks", async () => {
  await using bundle = await createScheduleWorld();
  const { world, app } = bundle;
  for (const name of ["a", "b", "c"]) {
    await app.schedules.create(name, { task: "t", every: "1s", overlap: "allow" });
  }
  const tickers = [bundle.tick(), bundle.tick(), bundle.tick()];
  await world.clock.advance(20_000);
  await tickers[0]?.stop();
  await world.clock.advance(20_000);
  await tickers[1]?.stop();
  await world.clock.advance(20_000);
  for (const name of ["a", "b", "c"]) expect(bundle.ticked(name)).toEqual(steps(60));
  expect([...bundle.specs().values()]).toEqual(Array.from({ length: 180 }, () => 1));
});

test("row 14: periodic jobs are not lost when the leader changes, whatever they make up for", async () => {
  await using bundle = await createScheduleWorld();
  const { world, app } = bundle;
  for (const catchUp of ["none", "last", "1m"]) {
    await app.schedules.create(catchUp, { task: "t", every: "1s", overlap: "allow", catchUp });
  }
  for (let leaders = 0; leaders < 3; leaders += 1) {
    const ticker = bundle.tick();
    await world.clock.advance(5_000);
    await ticker.stop();
    await world.clock.advance(7_000);
  }
  bundle.tick();
  await world.clock.advance(4_000);
  for (const catchUp of ["none", "last", "1m"]) {
    expect(bundle.ticked(catchUp), catchUp).toEqual(steps(40));
    expect(bundle.skipped(catchUp)).toEqual([]);
  }
});

test("ticker: of runs that were missed, the policy says which are made up for", async () => {
  await using bundle = await createScheduleWorld();
  const { world, app } = bundle;
  const minutely = { task: "t", every: "1m", overlap: "allow" } as const;
  await app.schedules.create("none", { ...minutely, catchUp: "none" });
  await app.schedules.create("last", minutely);
  await app.schedules.create("all", { ...minutely, catchUp: "10m" });
  await world.clock.advance(3_600_000 + 30_000);
  bundle.tick();
  await world.clock.advance(1_000);
  expect(bundle.ticked("none")).toEqual([]);
  expect(bundle.skipped("none")).toHaveLength(60);
  expect(bundle.ticked("last")).toEqual([3_600]);
  expect(bundle.skipped("last")).toEqual(steps(59, 60).map((second) => [second, "missed"]));
  expect(bundle.ticked("all")).toEqual(steps(10, 60).map((second) => 3_000 + second));
  await world.clock.advance(30_000);
  for (const name of ["none", "last", "all"]) expect(bundle.ticked(name).at(-1)).toBe(3_660);
  expect((await app.schedules.get("all"))?.skipped).toBe(50);
});

test("ticker: years without a Beat cost one run and no more time than an hour", async () => {
  await using bundle = await createScheduleWorld();
  const { world, app } = bundle;
  await app.schedules.create("often", { task: "t", cron: "* * * * * *", timeZone: "Asia/Tokyo" });
  const years = 3 * 365 * 86_400_000;
  await world.clock.advance(years + 500);
  bundle.tick();
  await world.clock.advance(100);
  // Those of the last ten seconds are on time; of those before, none is left to make up for.
  expect(bundle.ticked("often")[0]).toBe(years / 1_000 - 9);
  const view = await app.schedules.get("often");
  expect(view?.skipped).toBeLessThanOrEqual(1_000 + 10);
  expect(view?.nextRun?.getTime()).toBe(Math.floor(world.clock.now() / 1_000) * 1_000 + 1_000);
});

test("ticker: a clock that goes back repeats nothing, one that jumps ahead misses nothing twice", async () => {
  await using bundle = await createScheduleWorld();
  const { world, app } = bundle;
  await app.schedules.create("s", { task: "t", every: "10s", overlap: "allow", catchUp: "1h" });
  let skew = 0;
  const { clock } = world;
  const jumping: Clock = {
    now: () => clock.now() + skew,
    monotonic: () => clock.monotonic(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
    after: (ms, action) => clock.after(ms, action),
    nextTurn: (action) => clock.nextTurn(action),
  };
  bundle.tick({ clock: jumping });
  await clock.advance(30_000);
  skew = -25_000;
  await clock.advance(30_000);
  expect(bundle.ticked("s")).toEqual([10, 20, 30]);
  skew = 60_000;
  await clock.advance(2_000);
  expect(bundle.ticked("s")).toEqual(steps(12, 10));
  expect([...bundle.specs().values()].every((count) => count === 1)).toBe(true);
});

test("ticker: a task that has the id of an instant already is that instant's task", async () => {
  await using bundle = await createScheduleWorld();
  const { world, app } = bundle;
  await app.schedules.create("s", { task: "t", every: "10s", overlap: "allow" });
  await app.enqueue("t", undefined, { id: bundle.idAt("s", 10) });
  bundle.tick();
  await world.clock.advance(20_000);
  expect([...bundle.specs()]).toEqual([
    [bundle.idAt("s", 10), 1],
    [bundle.idAt("s", 20), 1],
  ]);
  expect((await app.schedules.get("s"))?.runs.map(({ id }) => id)).toEqual([
    bundle.idAt("s", 10),
    bundle.idAt("s", 20),
  ]);
});

test("ticker: while the store accepts no new task, an instant stays due", async () => {
  await using bundle = await createScheduleWorld();
  const { world, app } = bundle;
  await app.schedules.create("s", { task: "t", every: "1h" });
  await world.store.commit([{ guards: [], writes: [put(ADMISSION_KEY, NOTHING)] }]);
  bundle.tick();
  await world.clock.advance(3_600_000 + 5_000);
  expect(bundle.specs().size).toBe(0);
  await expect(app.schedules.trigger("s")).rejects.toMatchObject({ code: "STORE_NEARLY_FULL" });
  await world.store.commit([{ guards: [], writes: [del(ADMISSION_KEY)] }]);
  await world.clock.advance(2_000);
  expect(bundle.ticked("s")).toEqual([3_600]);
  expect(bundle.specs().size).toBe(1);
});

test("ticker: when the store is away, or its answers are lost, every instant comes once", async () => {
  await using bundle = await createScheduleWorld();
  const { world, app } = bundle;
  await app.schedules.create("s", { task: "t", every: "1s", overlap: "allow" });
  const store = new TroubledStore(world.storage.open());
  bundle.tick({ store });
  await world.clock.advance(5_000);
  store.away = true;
  await world.clock.advance(4_000);
  store.away = false;
  await world.clock.advance(5_000);
  let commits = 0;
  store.trouble = (parts) => {
    if (!writtenKeys(parts).includes(scheduleKey("s"))) return undefined;
    commits += 1;
    const error = new StoreUnavailableError("The answer was lost.", "unknown");
    return commits % 3 === 0 ? { at: "after", error } : undefined;
  };
  await world.clock.advance(20_000);
  store.trouble = undefined;
  await world.clock.advance(6_500);
  expect(commits).toBeGreaterThan(10);
  expect([...bundle.specs()]).toEqual(steps(40).map((second) => [bundle.idAt("s", second), 1]));
});

test("ticker: a damaged schedule is reported and holds up no other", async () => {
  await using bundle = await createScheduleWorld();
  const { world, app } = bundle;
  using reports = noteEvents("etask:record:malformed");
  using failures = noteEvents("etask:loop:failed");
  await app.schedules.create("good", { task: "t", every: "1s", overlap: "allow" });
  await app.schedules.create("zone", { task: "t", cron: "* * * * * *", overlap: "allow" });
  const entry = await world.store.get(scheduleKey("zone"));
  const odd = Buffer.from(entry?.value ?? NOTHING)
    .toString()
    .replace('"UTC"', '"Mars/Olympus"');
  const writes = [
    put(scheduleKey("zone"), Buffer.from(odd)),
    put(scheduleKey("bad"), Buffer.from("{}")),
    put("schedule/~", Buffer.from("{}")),
  ];
  await world.store.commit([{ guards: [], writes }]);
  bundle.tick();
  await world.clock.advance(5_000);
  expect(bundle.ticked("good")).toEqual(steps(5));
  expect(failures.seen).toEqual([]);
  const keys = new Set(reports.seen.map(({ key }) => key));
  expect(keys).toEqual(new Set([scheduleKey("bad"), scheduleKey("zone")]));
  await app.schedules.upsert("zone", { task: "t", cron: "* * * * * *", overlap: "allow" });
  await world.clock.advance(5_000);
  expect(bundle.ticked("zone").length).toBeGreaterThanOrEqual(4);
});

test("ticker: a thousand schedules of one instant are all on time", async () => {
  await using bundle = await createScheduleWorld();
  const { world, app } = bundle;
  const names = Array.from({ length: 1_000 }, (_, n) => `s${n}`);
  for (const name of names) await app.schedules.create(name, { task: "t", cron: "0 * * * *" });
  bundle.tick();
  using ticks = noteEvents("etask:schedule:ticked");
  await world.clock.advance(3_600_000);
  expect(ticks.seen).toHaveLength(1_000);
  expect(Math.max(...ticks.seen.map(({ lateMs }) => lateMs))).toBeLessThanOrEqual(50);
});

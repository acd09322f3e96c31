import { expect, test } from "vitest";
import { decodeProgress } from "../../src/task/decode.ts";
import { defineTask } from "../../src/task/task.ts";
import { noteEvents } from "./support/events.ts";
import { dropSessions } from "./support/sessions.ts";
import { defineHeldTask } from "./support/tasks.ts";
import { TroubledStore } from "./support/troubled-store.ts";
import { createWorld, type World } from "./support/world.ts";

/** Every progress that was ever stored of a task, and whether its end came with or before it. */
function reportsOf({ storage }: World, id: string) {
  return storage.log.flatMap(({ revision, events }) =>
    events.flatMap((event) =>
      event.type === "put" && event.key === `task/${id}#progress`
        ? [{ revision, ...decodeProgress(event.entry.value) }]
        : [],
    ),
  );
}

async function setup(world: World) {
  const { task, calls } = defineHeldTask<void>("held");
  const stores: TroubledStore[] = [];
  const app = await world.app([task], {
    decorate: (inner) => {
      const store = new TroubledStore(inner);
      stores.push(store);
      return store;
    },
  });
  const worker = app.createWorker({ leaseTtl: "1h" });
  await worker.start();
  const handle = await task.delay();
  await world.until(() => calls.length === 1);
  const [call] = calls;
  const [store] = stores;
  if (!call || !store) throw new Error("The task does not run.");
  return { app, handle, call, store, worker };
}

test("progress: 10,000 reports in a second are a handful of writes, the first at once", async () => {
  await using world = createWorld();
  const { handle, call } = await setup(world);
  call.ctx.progress(0.1);
  await world.clock.settle();
  expect(reportsOf(world, handle.id).map(({ percent }) => percent)).toEqual([0.1]);
  for (let ms = 0; ms < 1_000; ms += 1) {
    for (let each = 0; each < 10; each += 1) call.ctx.advance(0.009);
    await world.clock.advance(1);
  }
  const reports = reportsOf(world, handle.id);
  expect(reports.length).toBeLessThanOrEqual(5);
  const percents = reports.map(({ percent }) => percent);
  expect(percents).toEqual(percents.toSorted((a, b) => a - b));
  await world.clock.advance(250);
  expect((await handle.state()).progress?.percent).toBe(90.1);
  const count = reportsOf(world, handle.id).length;
  await world.clock.advance(10_000);
  expect(reportsOf(world, handle.id)).toHaveLength(count);
});

test("progress: the last report lands with the outcome, and none after it", async () => {
  await using world = createWorld();
  const { handle, call } = await setup(world);
  call.ctx.progress(10, { disk: 1 });
  await world.clock.settle();
  call.ctx.progress(20, { disk: 2 });
  call.ctx.progress(30);
  call.end.resolve("done");
  await world.drive(handle.result());
  call.ctx.progress(99);
  await world.clock.advance(1_000);
  const view = await handle.state();
  expect(view.progress).toMatchObject({ percent: 30, detail: undefined });
  const reports = reportsOf(world, handle.id);
  expect(reports.map(({ percent }) => percent)).toEqual([10, 30]);
  expect(reports.at(-1)?.revision).toBe(view.revision);
});

test("progress: a report that was confirmed is not written again with the outcome", async () => {
  await using world = createWorld();
  const { handle, call } = await setup(world);
  call.ctx.progress(10);
  await world.clock.advance(1_000);
  call.end.resolve("done");
  await world.drive(handle.result());
  expect(reportsOf(world, handle.id)).toHaveLength(1);
});

test("progress: while the store is away the newest report is kept", async () => {
  await using world = createWorld();
  const { handle, call, store } = await setup(world);
  store.away = true;
  for (const percent of [10, 20, 30]) {
    call.ctx.progress(percent);
    await world.clock.advance(5_000);
  }
  store.away = false;
  await world.clock.advance(500);
  expect(reportsOf(world, handle.id).map(({ percent }) => percent)).toEqual([30]);
});

test("progress: bad reports throw where they are made, and harm nothing", async () => {
  await using world = createWorld();
  const { handle, call } = await setup(world);
  const { ctx } = call;
  expect(() => ctx.progress(Number.NaN)).toThrow(/^progress must be a number/);
  expect(() => ctx.advance("5" as unknown as number)).toThrow(/^progress must be a number/);
  expect(() => ctx.progress(1, 1n)).toThrow(/^detail cannot be stored/);
  expect(() => ctx.progress(1, "x".repeat(17_000))).toThrow(/^The detail of a progress report/);
  ctx.advance(-5);
  await world.clock.settle();
  expect((await handle.state()).progress?.percent).toBe(0);
});

test("progress: an attempt that has lost its task is told by its next report, once", async () => {
  await using world = createWorld();
  const { handle, call, app, worker } = await setup(world);
  using stale = noteEvents("etask:task:stale");
  await dropSessions(world, worker.id);
  await world.until(async () => (await app.backend.get(handle.id))?.state === "pending");
  await world.clock.settle();
  for (let report = 1; report < 20; report += 1) {
    call.ctx.progress(report);
    await world.clock.advance(300);
  }
  expect(call.ctx.signal.aborted).toBe(true);
  expect(stale.seen.filter(({ what }) => what === "progress").length).toBeLessThanOrEqual(1);
  expect((await handle.state()).progress).toBeUndefined();
});

test("progress: of an earlier attempt stays until the next one reports, and is not added to", async () => {
  await using world = createWorld();
  const task = defineTask({
    name: "twice",
    retry: { attempts: 2, backoff: "immediate" },
    run: (_input: number, { attempt, progress, advance }) => {
      if (attempt === 2) return advance(5);
      progress(80, { disk: 1 });
      throw new Error("first");
    },
  });
  await (await world.app([task])).createWorker().start();
  const handle = await task.delay(1);
  await world.drive(handle.result());
  expect(reportsOf(world, handle.id)).toMatchObject([
    { percent: 80, attempt: 1 },
    { percent: 5, attempt: 2 },
  ]);
});

import { expect, test } from "vitest";
import { isHeartbeatKey, WORKERS_RANGE } from "../../src/task/keyspace.ts";
import { noteEvents } from "./support/events.ts";
import { defineHeldTask, defineQuickTask } from "./support/tasks.ts";
import { TroubledStore } from "./support/troubled-store.ts";
import { createWorld, type World } from "./support/world.ts";

async function workersIn({ store }: World): Promise<string[]> {
  const { entries } = await store.range(WORKERS_RANGE);
  return entries.map(({ key }) => key).filter((key) => !isHeartbeatKey(key));
}

test("stop: waits for what runs, takes nothing more and leaves", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask<number>("held");
  const app = await world.app([task]);
  const worker = app.createWorker({ concurrency: 2, drain: "1m" });
  await worker.start();
  const handles = await task.delayMany([0, 1, 2, 3]);
  await world.until(() => calls.length === 2);
  using stopped = noteEvents("etask:worker:stopped");
  const stop = worker.stop();
  await world.clock.advance(30_000);
  expect(stopped.seen).toEqual([]);
  expect(calls.every(({ ctx }) => !ctx.signal.aborted)).toBe(true);
  for (const { end, input } of calls) end.resolve(input);
  await world.drive(stop);
  expect(stopped.seen).toEqual([{ worker: expect.any(String) as string, released: 0 }]);
  expect(calls).toHaveLength(2);
  const states = await Promise.all(handles.map((handle) => handle.state()));
  const ended = states.filter(({ state }) => state === "succeeded");
  expect(ended).toHaveLength(2);
  expect(await workersIn(world)).toEqual([]);
});

test("stop: what does not end in time goes back to its place, the attempt not counted", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask<number>("held");
  const app = await world.app([task]);
  const handles = await task.delayMany([0, 1]);
  const before = (await app.broker.list()).tasks;
  const worker = app.createWorker({ drain: "5s" });
  await worker.start();
  await world.until(() => calls.length === 2);
  const stoppedAt = world.clock.monotonic();
  await world.drive(worker.stop());
  expect(world.clock.monotonic() - stoppedAt).toBeLessThan(6_000);
  for (const { ctx } of calls) {
    expect(ctx.signal.reason).toMatchObject({ code: "ATTEMPT_ABORTED", reason: "shutdown" });
  }
  expect((await app.broker.list()).tasks).toEqual(before);
  // What a handler that is deaf to its signal makes of it in the end counts for nothing.
  calls[0]?.end.resolve("late");
  calls[1]?.end.reject(new Error("late"));
  await world.clock.settle();
  for (const handle of handles) {
    expect(await handle.state()).toMatchObject({ state: "pending", attempt: 0 });
  }
  await app.createWorker().start();
  await world.until(() => calls.length === 4);
  expect(calls.map(({ ctx }) => ctx.attempt)).toEqual([1, 1, 1, 1]);
});

test("stop: an outcome that is being recorded is waited for", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask<number>("held");
  let store: TroubledStore | undefined;
  const app = await world.app([task], {
    decorate: (inner) => {
      store = new TroubledStore(inner);
      return store;
    },
  });
  const worker = app.createWorker({ drain: 0, leaseTtl: "20s" });
  await worker.start();
  const handle = await task.delay(1);
  await world.until(() => calls.length === 1);
  if (store) store.away = true;
  calls[0]?.end.resolve("done");
  await world.clock.advance(1_000);
  const stop = worker.stop();
  await world.clock.advance(3_000);
  if (store) store.away = false;
  await world.drive(stop);
  expect(await handle.state()).toMatchObject({ state: "succeeded", result: "done" });
});

test("stop: a store that stays away does not hold it for ever", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask<number>("held");
  let store: TroubledStore | undefined;
  const app = await world.app([task], {
    decorate: (inner) => {
      store = new TroubledStore(inner);
      return store;
    },
  });
  const worker = app.createWorker({ drain: "1s", leaseTtl: "5s" });
  await worker.start();
  await task.delay(1);
  await world.until(() => calls.length === 1);
  if (store) store.away = true;
  const from = world.clock.monotonic();
  await world.drive(worker.stop());
  expect(world.clock.monotonic() - from).toBeLessThan(15_000);
});

test("stop: is safe at any time and more than once", async () => {
  await using world = createWorld();
  const app = await world.app([defineQuickTask("quick")]);
  await app.createWorker().stop();
  const early = app.createWorker();
  const starting = early.start();
  await world.drive(Promise.all([early.stop(), early.stop(), starting]));
  await early.stop();
  const stopped = app.createWorker();
  await stopped.stop();
  await expect(stopped.start()).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
  await stopped.run();
  expect(await workersIn(world)).toEqual([]);
});

test("start: one that failed may be tried again", async () => {
  await using world = createWorld();
  let store: TroubledStore | undefined;
  const quick = defineQuickTask("quick");
  const app = await world.app([quick], {
    decorate: (inner) => {
      store = new TroubledStore(inner);
      return store;
    },
  });
  const worker = app.createWorker();
  if (store) store.away = true;
  await expect(worker.start()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  if (store) store.away = false;
  await worker.start();
  expect(await world.drive((await quick.delay({ n: 7 })).result())).toBe(7);
});

test("run: ends by its signal, and leaves no listener on the process", async () => {
  await using world = createWorld();
  const app = await world.app([defineQuickTask("quick")]);
  const listeners = () => process.listenerCount("SIGTERM") + process.listenerCount("SIGINT");
  const before = listeners();
  const ending = new AbortController();
  const running = app.createWorker().run({ signal: ending.signal });
  await world.clock.advance(10_000);
  expect(listeners()).toBe(before + 2);
  ending.abort();
  await world.drive(running);
  expect(listeners()).toBe(before);
});

test("start and stop: 50 times in a row and side by side lose and leave nothing", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const app = await world.app([quick]);
  const handles = await quick.delayMany(Array.from({ length: 500 }, (_, n) => ({ n })));
  for (let round = 0; round < 25; round += 1) {
    const pair = [app.createWorker({ drain: 0 }), app.createWorker({ concurrency: 1, drain: 0 })];
    await world.drive(Promise.all(pair.map((worker) => worker.start())));
    if (round % 3 === 0) await world.clock.advance(round);
    await world.drive(Promise.all(pair.map((worker) => worker.stop())));
  }
  expect(await workersIn(world)).toEqual([]);
  await app.createWorker({ concurrency: 50 }).start();
  const results = Promise.all(handles.map((handle) => handle.result()));
  expect(await world.drive(results)).toEqual(handles.map((_handle, n) => n));
  const views = (await app.backend.list({ limit: 1_000 })).tasks;
  expect(views.every(({ attempt }) => attempt === 1)).toBe(true);
});

test("close: an app that is closed leaves no timer behind", async () => {
  const world = createWorld();
  const quick = defineQuickTask("quick");
  const app = await world.app([quick]);
  await app.createWorker().start();
  await world.drive((await quick.delay({ n: 1 })).result());
  await world.drive(app.close());
  await app.close();
  await world.clock.advance(60_000);
  expect(world.clock.untilNextTimer()).toBeUndefined();
});

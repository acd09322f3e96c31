import { expect, test } from "vitest";
import type { App } from "../../src/app.ts";
import { listAll } from "../../src/coordination/follower.ts";
import { prefixRange } from "../../src/store/range.ts";
import { currentRevision } from "../../src/task/current-revision.ts";
import { isHeartbeatKey } from "../../src/task/keyspace.ts";
import { defineTask } from "../../src/task/task.ts";
import { defineQuickTask } from "./support/tasks.ts";
import { TroubledStore } from "./support/troubled-store.ts";
import { createWorld, type World } from "./support/world.ts";

/** Puts and deletes by the first part of their keys, and the last one of a task's. */
function operations(store: TroubledStore): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { op, key } of store.commits.flat().flatMap(({ writes }) => writes)) {
    // Once in 10 s, whatever there is to do.
    if (isHeartbeatKey(key)) continue;
    const kind = key.startsWith("task/") ? key.slice(key.lastIndexOf("#")) : key.split("/")[0];
    const name = `${op} ${kind}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

async function counted(world: World, tasks: Parameters<World["app"]>[0]) {
  const stores: TroubledStore[] = [];
  const app: App = await world.app(tasks, {
    decorate: (inner) => {
      const store = new TroubledStore(inner);
      stores.push(store);
      return store;
    },
  });
  const store = stores[0] as TroubledStore;
  store.commits.length = 0;
  return { app, store };
}

const TASKS = 300;
const inputs = Array.from({ length: TASKS }, (_, n) => ({ n }));

test("operations: enqueue costs 2 writes", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const { store } = await counted(world, [quick]);
  await quick.delayMany(inputs);
  expect(operations(store)).toEqual(
    new Map([
      ["put #spec", TASKS],
      ["put ready", TASKS],
    ]),
  );
});

test("operations: a task costs 2 writes to take, 2 to finish, and each batch 2 more", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const producer = await world.app([quick]);
  const handles = await quick.delayMany(inputs);
  const { app, store } = await counted(world, [defineQuickTask("quick")]);
  await app.createWorker({ concurrency: 20 }).start();
  await world.drive(
    Promise.all(handles.map(({ id }) => producer.handle(id).result({ timeout: "1m" }))),
  );
  await world.clock.settle();
  const counts = operations(store);
  const batches = counts.get("put hand") ?? 0;
  expect(batches).toBeLessThanOrEqual(TASKS);
  expect(counts).toEqual(
    new Map([
      ["put worker", 1],
      ["put beat", 1],
      ["put hand", batches],
      ["delete ready", TASKS],
      ["put #state", 2 * TASKS],
      ["put expire", TASKS],
      ["delete hand", batches],
    ]),
  );
});

test("operations: small tasks are run without a read of their own", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const producer = await world.app([quick]);
  const handles = await quick.delayMany(inputs);
  const { app, store } = await counted(world, [defineQuickTask("quick")]);
  await app.createWorker({ concurrency: 20 }).start();
  await world.drive(
    Promise.all(handles.map(({ id }) => producer.handle(id).result({ timeout: "1m" }))),
  );
  expect(store.reads.filter((key) => key.startsWith("task/"))).toEqual([]);
});

test("operations: a retry later costs 2 writes, its promotion 3", async () => {
  await using world = createWorld();
  const define = () =>
    defineTask({
      name: "twice",
      retry: { attempts: 2, backoff: "constant", delay: "2s" },
      run: (_input: object, { attempt }) => {
        if (attempt === 1) throw new Error("first");
      },
    });
  const task = define();
  const producer = await world.app([task]);
  const handles = await task.delayMany(inputs);
  const { app, store } = await counted(world, [define()]);
  await app.createWorker({ concurrency: 50 }).start();
  await world.drive(
    Promise.all(handles.map(({ id }) => producer.handle(id).result({ timeout: "1m" }))),
  );
  const counts = operations(store);
  expect(counts.get("put due")).toBe(TASKS);
  expect(counts.get("delete due")).toBe(TASKS);
  expect(counts.get("put ready")).toBe(TASKS);
  expect(counts.get("delete ready")).toBe(2 * TASKS);
  // Taken, scheduled, promoted, taken, finished.
  expect(counts.get("put #state")).toBe(5 * TASKS);
});

test("row 26: after retention the sweep leaves nothing but the layout, the workers and the Beat", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const app = await world.app([quick]);
  await app.createWorker({ concurrency: 20 }).start();
  const handles = await quick.delayMany(inputs, { retention: "10m" });
  await world.drive(Promise.all(handles.map((handle) => handle.result())));
  await world.clock.advance(9 * 60_000);
  expect((await app.backend.list({ limit: 1_000 })).tasks).toHaveLength(TASKS);
  await world.clock.advance(3 * 60_000);
  const { entries } = await listAll(world.store, prefixRange(""));
  const left = entries.filter(({ key }) => !isHeartbeatKey(key));
  expect(left.map(({ key }) => key.split("/")[0])).toEqual(["beat", "meta", "worker"]);
});

test("operations: an id that is used again after its task was removed is not swept by the old one", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const app = await world.app([quick]);
  await app.createWorker().start();
  const first = await quick.delay({ n: 1 }, { id: "a", retention: "10m" });
  await world.drive(first.result());
  await app.broker.remove("a");
  const second = await quick.delay({ n: 2 }, { id: "a", retention: "1d" });
  expect(await world.drive(second.result())).toBe(2);
  await world.clock.advance(3_600_000);
  expect((await second.state()).input).toEqual({ n: 2 });
});

test("operations: a unique task costs one write more to enqueue and one more to finish", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const { app, store } = await counted(world, [quick]);
  const handles = await quick.delayMany(inputs, ({ n }) => ({ unique: String(n) }));
  expect(operations(store)).toEqual(
    new Map([
      ["put #spec", TASKS],
      ["put ready", TASKS],
      ["put unique", TASKS],
    ]),
  );
  expect(store.reads.filter((key) => key.startsWith("task/"))).toEqual([]);
  await app.createWorker({ concurrency: 20 }).start();
  await world.drive(Promise.all(handles.map((handle) => handle.result({ timeout: "1m" }))));
  await world.clock.settle();
  const counts = operations(store);
  expect(counts.get("delete unique")).toBe(TASKS);
  expect(counts.get("put unique")).toBe(TASKS);
  expect(counts.get("put #state")).toBe(2 * TASKS);
});

test("operations: who joins a unique task writes nothing and reads that task once", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const { store } = await counted(world, [quick]);
  const { id } = await quick.delay({ n: 1 }, { unique: "a" });
  const before = operations(store);
  store.reads.length = 0;
  const revision = await currentRevision(world.store);
  for (let n = 0; n < 5; n += 1) await quick.delay({ n }, { unique: "a" });
  expect(await currentRevision(world.store)).toBe(revision);
  expect(before.get("put unique")).toBe(1);
  expect(store.reads).toEqual(Array.from({ length: 5 }, () => `task/${id}#`));
});

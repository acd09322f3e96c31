import { expect, test } from "vitest";
import { HistoryCheck } from "../../sim/oracle/history-check.ts";
import { prefixRange } from "../../src/store/range.ts";
import { queueKey } from "../../src/task/keyspace.ts";
import { defineTask } from "../../src/task/task.ts";
import { noteEvents } from "./support/events.ts";
import { defineHeldTask, defineQuickTask } from "./support/tasks.ts";
import { TroubledStore } from "./support/troubled-store.ts";
import { createWorld, type World } from "./support/world.ts";

const inputs = (count: number) => Array.from({ length: count }, (_, n) => ({ n }));

async function keysOf({ store }: World, prefix: string): Promise<string[]> {
  return (await store.range(prefixRange(prefix))).entries.map(({ key }) => key);
}

test("pause: nothing is taken while it holds, and all of it after the resume", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const app = await world.app([quick]);
  await app.createWorker({ concurrency: 2 }).start();
  const handles = await quick.delayMany(inputs(40));
  await world.clock.advance(1);
  const change = await app.queues.pause("default", { reason: "disk is full", by: "ops" });
  expect(change).toMatchObject({ queue: "default", changed: true });
  await world.clock.advance(60_000);
  const { waiting, paused, running } = await app.queues.get("default");
  expect(paused).toMatchObject({ reason: "disk is full", by: "ops" });
  expect(running).toBe(0);
  await world.clock.advance(60_000);
  expect((await app.queues.get("default")).waiting).toBe(waiting);
  await app.queues.resume("default");
  await world.drive(Promise.all(handles.map((handle) => handle.result())));
  const check = new HistoryCheck();
  check.run(world.storage.log);
  expect(check.findings).toEqual([]);
});

test("pause: holds for a worker that has not heard of it; what it tried is taken later", async () => {
  await using world = createWorld();
  const stores: TroubledStore[] = [];
  const quick = defineQuickTask("quick");
  const producer = await world.app([quick]);
  const app = await world.app([defineQuickTask("quick")], {
    decorate: (inner) => {
      const store = new TroubledStore(inner);
      stores.push(store);
      return store;
    },
  });
  const [store] = stores;
  await app.createWorker({ concurrency: 100 }).start();
  await world.clock.advance(5_000);
  for (let round = 0; round < 5; round += 1) {
    if (store) store.late = "queue/";
    await producer.queues.pause("default");
    const handles = await quick.delayMany(inputs(20));
    await world.clock.advance(1_000);
    expect((await producer.queues.get("default")).waiting).toBe(20);
    if (store) store.late = undefined;
    await producer.queues.resume("default");
    const began = world.clock.now();
    const results = handles.map(({ id }) => producer.handle(id).result());
    await world.drive(Promise.all(results));
    expect(world.clock.now() - began).toBeLessThan(100);
  }
  const check = new HistoryCheck();
  check.run(world.storage.log);
  expect(check.findings).toEqual([]);
});

test("pause: other queues go on, and so does what runs", async () => {
  await using world = createWorld();
  const held = defineHeldTask("held");
  const app = await world.app([held.task]);
  await app.createWorker({ concurrency: 5, queues: ["a", "b"] }).start();
  const running = await held.task.delay(undefined, { queue: "a" });
  await world.until(() => held.running() === 1);
  await app.queues.pause("a");
  await held.task.delay(undefined, { queue: "a" });
  await held.task.delay(undefined, { queue: "b" });
  await world.until(() => held.running() === 2);
  held.calls[0]?.end.resolve("done");
  expect(await world.drive(running.result())).toBe("done");
  expect(held.calls).toHaveLength(2);
});

test("pause: a consumer that takes by hand gets nothing either", async () => {
  await using world = createWorld();
  const app = await world.app();
  const { id } = await app.enqueue("quick");
  await app.queues.pause("default");
  expect(await app.broker.dequeue(id)).toBeUndefined();
  await app.queues.resume("default");
  const taken = await app.broker.dequeue(id);
  expect(taken?.id).toBe(id);
  await taken?.succeed();
});

test("pause and resume: twice changes nothing, and a queue without settings has no record", async () => {
  await using world = createWorld();
  const app = await world.app();
  const first = await app.queues.pause("q");
  const again = await app.queues.pause("q", { reason: "other" });
  expect(again).toEqual({ queue: "q", revision: first.revision, changed: false });
  expect(await app.queues.resume("q")).toMatchObject({ changed: true });
  expect(await app.queues.resume("q")).toMatchObject({ changed: false });
  expect(await keysOf(world, "queue/")).toEqual([]);
});

test("drain: waits until nothing of the queue runs, and leaves it paused", async () => {
  await using world = createWorld();
  const held = defineHeldTask("held");
  const app = await world.app([held.task]);
  await app.createWorker({ concurrency: 5, queues: ["a", "b"] }).start();
  for (const queue of ["a", "a", "b"]) await held.task.delay(undefined, { queue });
  await world.until(() => held.running() === 3);
  await held.task.delay(undefined, { queue: "b" });
  const late = app.queues.drain("a", { timeout: "5s" });
  await expect(world.drive(late)).rejects.toMatchObject({ code: "WAIT_TIMEOUT" });
  let drained = false;
  const draining = app.queues.drain("a", { by: "ops" }).then(() => {
    drained = true;
  });
  for (const call of held.calls.filter(({ ctx }) => ctx.queue === "a")) {
    await world.clock.advance(5_000);
    expect(drained).toBe(false);
    call.end.resolve("done");
  }
  await world.drive(draining);
  expect((await app.queues.get("a")).paused).toBeDefined();
  expect((await app.queues.get("b")).running).toBeGreaterThan(0);
  const stopped = app.queues.drain("b", { signal: AbortSignal.abort(new Error("no")) });
  await expect(stopped).rejects.toThrow("no");
  expect((await app.queues.get("b")).paused).toBeUndefined();
});

test("purge: removes what waits, leaves what runs, and what is delayed unless it is wanted", async () => {
  await using world = createWorld();
  const held = defineHeldTask("held");
  const app = await world.app([held.task]);
  await app.createWorker({ concurrency: 1, queues: ["q"] }).start();
  await held.task.delay(undefined, { queue: "q" });
  await world.until(() => held.running() === 1);
  for (let n = 0; n < 450; n += 1) await app.enqueue("held", n, { queue: "q" });
  for (let n = 0; n < 5; n += 1) await app.enqueue("held", n, { queue: "q", in: "1h" });
  const moved = await app.enqueue("held", 1, { queue: "other", in: "1h" });
  await app.broker.update(moved.id, { queue: "q" });
  await app.enqueue("held", 1, { queue: "q-2" });
  await app.enqueue("held", 1, { queue: "q-2", in: "1h" });
  expect(await app.queues.purge("q", { confirm: "q" })).toBe(450);
  expect(await app.queues.purge("q", { confirm: "q", includeScheduled: true })).toBe(6);
  expect((await app.queues.get("q")).running).toBe(1);
  const { tasks } = await app.backend.list();
  expect(tasks.map(({ queue, state }) => `${queue} ${state}`).sort()).toEqual([
    "q running",
    "q-2 pending",
    "q-2 scheduled",
  ]);
});

test("purge: without the queue's name once more removes nothing", async () => {
  await using world = createWorld();
  const app = await world.app();
  await app.enqueue("quick", 1, { queue: "q" });
  const { revision } = world.storage;
  const refused = { code: "INVALID_OPTIONS" };
  for (const options of [{ confirm: "Q" }, {}, undefined, { confirm: "q", all: true }]) {
    const purge = app.queues.purge("q", options as { confirm: string });
    await expect(purge).rejects.toMatchObject(refused);
  }
  expect(world.storage.revision).toBe(revision);
});

test("configure: lays settings over what is there, null takes one back", async () => {
  await using world = createWorld();
  const app = await world.app();
  await app.queues.configure("q", { retry: { attempts: 3 }, keep: { count: 10, bytes: 1_000 } });
  await app.queues.configure("q", { concurrency: 2, keep: { bytes: null }, timeout: "5s" });
  expect((await app.queues.get("q")).settings).toMatchObject({
    retry: { attempts: 3, backoff: "exponential" },
    keep: { count: 10 },
    concurrency: 2,
    timeout: { softMs: 5_000, hardMs: 15_000 },
  });
  const nothing = { retry: null, keep: { count: null }, concurrency: null, timeout: null };
  await app.queues.configure("q", nothing);
  expect((await app.queues.get("q")).settings).toEqual({});
  expect(await keysOf(world, "queue/")).toEqual([]);
});

test("configure: what is not allowed is refused, and the store is unchanged", async () => {
  await using world = createWorld();
  const app = await world.app();
  const { revision } = world.storage;
  const wrong: object[] = [
    { order: "random" },
    { concurrency: 0 },
    { concurrency: 1.5 },
    { keep: { count: -1 } },
    { keep: { age: 1 } },
    { keep: 5 },
    { retry: { attempts: 0 } },
    { timeout: {} },
    { retention: "long" },
    { colour: "red" },
  ];
  for (const options of wrong) {
    const change = app.queues.configure("q", options);
    await expect(change, JSON.stringify(options)).rejects.toMatchObject({
      code: "INVALID_OPTIONS",
    });
  }
  const badName = app.queues.pause("a/b");
  await expect(badName).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
  const long = app.queues.pause("q", { reason: "x".repeat(501) });
  await expect(long).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
  expect(world.storage.revision).toBe(revision);
});

test("configure: a worker learns of it within milliseconds, without a restart", async () => {
  await using world = createWorld();
  using changes = noteEvents("etask:queue:changed");
  const held = defineHeldTask("held");
  const app = await world.app([held.task]);
  await app.createWorker({ concurrency: 10 }).start();
  await app.queues.configure("default", { concurrency: 2 });
  await held.task.delayMany(Array.from({ length: 10 }, () => undefined));
  await world.clock.advance(1_000);
  expect(held.running()).toBe(2);
  held.calls[0]?.end.resolve("done");
  await world.clock.advance(100);
  expect(held.running()).toBe(2);
  await app.queues.configure("default", { concurrency: 5 });
  await world.clock.advance(10);
  expect(held.running()).toBe(5);
  await app.queues.configure("default", { concurrency: null });
  await world.clock.advance(10);
  expect(held.running()).toBe(9);
  expect(held.runningMax()).toBe(9);
  expect(changes.seen).toHaveLength(3);
});

test("concurrency: a queue at its limit does not hold up another, nor one behind it", async () => {
  await using world = createWorld();
  const held = defineHeldTask("held");
  const app = await world.app([held.task]);
  await app.queues.configure("slow", { concurrency: 1 });
  await app.createWorker({ concurrency: 4, queues: ["slow", "fast"] }).start();
  for (let n = 0; n < 5; n += 1) await held.task.delay(undefined, { queue: "slow", priority: 9 });
  for (let n = 0; n < 5; n += 1) await held.task.delay(undefined, { queue: "fast", priority: 1 });
  await world.clock.advance(1_000);
  const queues = held.calls.map(({ ctx }) => ctx.queue).sort();
  expect(queues).toEqual(["fast", "fast", "fast", "slow"]);
});

test("order: strict starts tasks in order, whatever the number of workers; so it is at once", async () => {
  await using world = createWorld();
  const started: number[] = [];
  const make = () =>
    defineTask({
      name: "step",
      run: async ({ n }: { n: number }) => {
        started.push(n);
        await world.clock.sleep(world.random.next() * 20);
      },
    });
  const task = make();
  const producer = await world.app([task]);
  for (let index = 0; index < 3; index += 1) {
    await (await world.app([make()])).createWorker({ concurrency: 2 }).start();
  }
  await world.clock.advance(1_000);
  await producer.queues.configure("default", { order: "strict" });
  await world.clock.advance(10);
  const handles = await task.delayMany(inputs(300));
  await world.drive(Promise.all(handles.map(({ id }) => producer.handle(id).result())));
  const takes = takesIn(world);
  expect(takes.flatMap(({ ids }) => ids)).toEqual(handles.map(({ id }) => id));
  expect(new Set(takes.map(({ worker }) => worker)).size).toBe(3);
  expect(started).toHaveLength(300);
});

/** Which tasks were taken together, by whom, in order of revisions. */
function takesIn({ storage }: World): { worker: string; ids: string[] }[] {
  return storage.log.flatMap(({ events }) => {
    const taken = events.filter(
      (event) => event.type === "put" && event.key.endsWith("#state") && isRunning(event.entry),
    );
    const worker = taken[0]?.type === "put" ? workerIn(taken[0].entry) : "";
    const ids = taken.map(({ key }) => key.slice("task/".length, -"#state".length)).sort();
    return ids.length === 0 ? [] : [{ worker, ids }];
  });
}

const stateIn = ({ value }: { value: Uint8Array }) => JSON.parse(Buffer.from(value).toString());
const isRunning = (entry: { value: Uint8Array }) => stateIn(entry).state === "running";
const workerIn = (entry: { value: Uint8Array }): string => stateIn(entry).worker;

test("row 27: a kind that no worker knows waits, visible, until one comes that does", async () => {
  await using world = createWorld();
  using unknown = noteEvents("etask:task:kind-unknown");
  const app = await world.app([defineQuickTask("known")]);
  await app.createWorker().start();
  const { id } = await app.enqueue("new-kind", { n: 7 });
  await world.until(() => unknown.seen.length > 0);
  await world.clock.advance(60_000);
  expect(await app.backend.get(id)).toMatchObject({ state: "pending", attempt: 0 });
  expect((await app.queues.get("default")).waiting).toBe(1);
  await (await world.app([defineQuickTask("new-kind")])).createWorker().start();
  expect(await world.drive(app.handle(id).result())).toBe(7);
});

test("settings: a damaged record is reported, holds up nothing, and is mended by the next change", async () => {
  await using world = createWorld();
  using malformed = noteEvents("etask:record:malformed");
  const quick = defineQuickTask("quick");
  const app = await world.app([quick]);
  const value = Buffer.from("{");
  await world.store.commit([
    { guards: [], writes: [{ op: "put", key: queueKey("default"), value }] },
  ]);
  await app.createWorker().start();
  const handle = await quick.delay({ n: 1 });
  expect(await world.drive(handle.result())).toBe(1);
  expect(malformed.seen.length).toBeGreaterThan(0);
  await app.queues.pause("default");
  expect((await app.queues.get("default")).paused).toBeDefined();
});

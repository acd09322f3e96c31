import { expect, test } from "vitest";
import type { App } from "../../src/app.ts";
import { createGroupCommitStore } from "../../src/store/group-commit-store.ts";
import { put } from "../../src/store/part.ts";
import { createResolvingStore } from "../../src/store/resolving-store.ts";
import {
  StoreBusyError,
  StoreDeniedError,
  StoreUnavailableError,
} from "../../src/store/store-errors.ts";
import { readyKey, readyRange, shardPrefix, taskKey } from "../../src/task/keyspace.ts";
import { encodeRecord } from "../../src/task/records.ts";
import { defineTask, type RegisteredTask } from "../../src/task/task.ts";
import { noteEvents } from "./support/events.ts";
import { defineHeldTask, defineQuickTask } from "./support/tasks.ts";
import { TroubledStore, writtenKeys } from "./support/troubled-store.ts";
import { createWorld, type World } from "./support/world.ts";

const SEQUENCE = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/** An app and the store between it and the storage. */
async function troubledApp(
  world: World,
  tasks: readonly RegisteredTask[],
): Promise<{ app: App; store: TroubledStore }> {
  const stores: TroubledStore[] = [];
  const app = await world.app(tasks, {
    decorate: (inner) => {
      const store = new TroubledStore(inner);
      stores.push(store);
      return store;
    },
  });
  return { app, store: stores[0] as TroubledStore };
}

test("malformed: damaged ready entries, specs and states stop nobody else", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const app = await world.app([quick]);
  using malformed = noteEvents("etask:record:malformed");
  const at = (id: string) =>
    readyKey(id, { queue: "default", priority: 9, sequence: SEQUENCE.slice(0, -2) + id });
  const spec = { id: "s1", name: "quick", queue: "default", priority: 9, createdAt: 1 };
  const entries: [string, Uint8Array][] = [
    [at("R1"), Buffer.from("{")],
    [at("R2"), Buffer.from([0xff])],
    [at("R3"), encodeRecord({ id: "ä", name: "quick" })],
    [at("R4"), encodeRecord({ id: "x".repeat(3_000), name: "quick" })],
    [at("R5"), encodeRecord({ ...spec, id: "r5", priority: "9", sequence: SEQUENCE })],
    [`${shardPrefix("default", 1)}x`, encodeRecord({ id: "r6", name: "quick" })],
    // Ready, but its spec is missing, or damaged, or another's.
    [at("R7"), encodeRecord({ id: "r7", name: "quick" })],
    [at("R8"), encodeRecord({ id: "r8", name: "quick" })],
    [taskKey("r8", "spec"), Buffer.from("{")],
    [at("R9"), encodeRecord({ id: "r9", name: "quick" })],
    [taskKey("r9", "spec"), encodeRecord({ ...spec, sequence: SEQUENCE })],
    // Ready twice, and ready although its state says otherwise.
    [at("A0"), encodeRecord({ id: "r0", name: "quick" })],
    [at("A1"), encodeRecord({ id: "r0", name: "quick" })],
    [at("A2"), encodeRecord({ id: "a2", name: "quick", attempt: 1 })],
    [taskKey("a2", "state"), Buffer.from("[]")],
  ];
  for (const [key, value] of entries) {
    await world.store.commit([{ guards: [], writes: [put(key, value)] }]);
  }
  const handles = await quick.delayMany(Array.from({ length: 50 }, (_, n) => ({ n })));
  await app.createWorker({ concurrency: 20 }).start();
  const results = Promise.all(handles.map((handle) => handle.result({ timeout: "20s" })));
  expect(await world.drive(results)).toEqual(handles.map((_handle, n) => n));
  const left = (await world.store.range(readyRange())).entries.map(({ key }) => key);
  for (const [key] of entries.slice(0, 6)) expect(left).toContain(key);
  expect(new Set(malformed.seen.map(({ key }) => key)).size).toBeGreaterThanOrEqual(7);
  for (const id of ["r7", "r8", "r9"]) {
    const state = await world.store.get(taskKey(id, "state"));
    expect(state && JSON.parse(Buffer.from(state.value).toString())).toMatchObject({
      state: "failed",
      error: { code: "RECORD_MALFORMED" },
    });
  }
});

test("outage: every loop survives it, and what was enqueued meanwhile runs afterwards", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const failing = defineTask({
    name: "failing",
    retry: { attempts: 2, backoff: "constant", delay: "20s" },
    run: (_n: number, { attempt }) => {
      if (attempt === 1) throw new Error("once");
    },
  });
  const { app, store } = await troubledApp(world, [quick, failing]);
  const producer = await world.app();
  await app.createWorker({ leaseTtl: "10s" }).start();
  const retried = await producer.enqueue("failing", 1);
  await world.until(async () => (await retried.state()).state === "scheduled");
  for (const awayMs of [500, 5_000, 60_000, 300_000]) {
    store.away = true;
    const meanwhile = await producer.enqueue("quick", { n: awayMs });
    await world.clock.advance(awayMs);
    expect((await meanwhile.state()).state).toBe("pending");
    store.away = false;
    expect(await world.drive(meanwhile.result({ timeout: "10s" }))).toBe(awayMs);
  }
  await world.drive(retried.result());
});

test("outage: an outcome waits for the store and is recorded once", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask<number>("held");
  const { app, store } = await troubledApp(world, [task]);
  await app.createWorker({ leaseTtl: "1h" }).start();
  const handle = await task.delay(1);
  await world.until(() => calls.length === 1);
  store.away = true;
  calls[0]?.end.resolve("done");
  await world.clock.advance(600_000);
  store.away = false;
  await world.until(async () => (await handle.state()).state === "succeeded");
  expect(calls).toHaveLength(1);
  expect(await handle.state()).toMatchObject({ attempt: 1, result: "done" });
});

test.each([
  ["overloaded", new StoreBusyError("busy")],
  ["denied for a while", new StoreDeniedError("denied")],
])("outage: an outcome is not lost to a store that is %s", async (_what, error) => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const { app, store } = await troubledApp(world, [quick]);
  let refusals = 6;
  store.trouble = (parts) => {
    if (!writtenKeys(parts).some((key) => key.endsWith("#state")) || refusals === 0) {
      return undefined;
    }
    refusals -= 1;
    return { at: "before", error };
  };
  await app.createWorker({ leaseTtl: "1h" }).start();
  const handle = await quick.delay({ n: 7 });
  expect(await world.drive(handle.result())).toBe(7);
  expect(refusals).toBe(0);
});

test("outage: a large task whose spec cannot be read for a while does not fail for that", async () => {
  await using world = createWorld();
  const task = defineTask({ name: "large", run: (text: string) => text.length });
  const { app, store } = await troubledApp(world, [task]);
  await app.createWorker({ leaseTtl: "1h" }).start();
  using taken = noteEvents("etask:task:taken");
  store.trouble = (parts) => {
    if (writtenKeys(parts).some((key) => key.startsWith("hand/"))) store.away = true;
    return undefined;
  };
  const producer = await world.app();
  const handle = await producer.enqueue("large", "x".repeat(20_000));
  // The take lands, and then the store is gone.
  await world.until(() => taken.seen.length === 1);
  await world.clock.advance(30_000);
  store.trouble = undefined;
  store.away = false;
  expect(await world.drive(handle.result())).toBe(20_000);
  expect((await handle.state()).attempt).toBe(1);
});

test("lost replies: takes and outcomes whose answers are lost are resolved, none runs twice", async () => {
  await using world = createWorld();
  const starts = new Map<string, number>();
  const task = defineTask({
    name: "t",
    run: (n: number, { id }) => {
      starts.set(id, (starts.get(id) ?? 0) + 1);
      return n;
    },
  });
  const stores: TroubledStore[] = [];
  const { clock, random } = world;
  const app = await world.app([task], {
    decorate: (inner) => {
      const store = new TroubledStore(inner);
      stores.push(store);
      return createGroupCommitStore(createResolvingStore(store, { clock, random }), { clock });
    },
  });
  const [store] = stores;
  if (!store) throw new Error("The app has no store.");
  await app.createWorker({ concurrency: 10 }).start();
  store.trouble = () => {
    if (random.next() < 0.6) return undefined;
    const at = random.next() < 0.5 ? "before" : "after";
    const error = new StoreUnavailableError("gone", at === "before" ? "no" : "unknown");
    return { at, error };
  };
  const producer = await world.app();
  const inputs = Array.from({ length: 200 }, (_, n) => n);
  const handles = await Promise.all(inputs.map((n) => producer.enqueue("t", n)));
  expect(await world.drive(Promise.all(handles.map((h) => h.result())))).toEqual(inputs);
  expect([...starts.values()].every((count) => count === 1)).toBe(true);
  expect(starts.size).toBe(200);
  store.trouble = undefined;
});

test("trouble: a take that fails for good is tried again after a pause, not in a circle", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const { app, store } = await troubledApp(world, [quick]);
  using failed = noteEvents("etask:loop:failed");
  let takes = 0;
  store.trouble = (parts) => {
    if (!writtenKeys(parts).some((key) => key.startsWith("hand/"))) return undefined;
    takes += 1;
    // A bug of ours, or a limit of the server that we do not know.
    const error = Object.assign(new StoreDeniedError("no"), { code: "STORE_REFUSED" as const });
    return takes > 5 ? undefined : { at: "before", error: error as unknown as StoreDeniedError };
  };
  const handle = await quick.delay({ n: 1 });
  await app.createWorker().start();
  await world.clock.advance(2_500);
  expect(takes).toBeLessThanOrEqual(3);
  expect(failed.seen.map(({ loop }) => loop)).toContain("taker");
  expect(await world.drive(handle.result())).toBe(1);
});

test("trouble: idle workers keep few timers, however often they are woken", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const apps = [await world.app([quick]), await world.app([defineQuickTask("quick")])];
  for (const app of apps) await app.createWorker().start();
  let timers = 0;
  const { after } = world.clock;
  world.clock.after = (ms, action) => {
    timers += 1;
    return after.call(world.clock, ms, action);
  };
  const armedIn = async (ms: number) => {
    timers = 0;
    await world.clock.advance(ms);
    return timers;
  };
  const before = await armedIn(20_000);
  const handles = await quick.delayMany(Array.from({ length: 500 }, (_, n) => ({ n })));
  await world.drive(Promise.all(handles.map((handle) => handle.result())));
  await world.clock.advance(5_000);
  expect(await armedIn(20_000)).toBeLessThan(before * 1.5);
});

test("trouble: a backlog of 50,000 does not fill the memory of its worker", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask<number>("held");
  const producer = await world.app([task]);
  await task.delayMany(Array.from({ length: 50_000 }, (_, n) => n));
  const { app, store } = await troubledApp(world, [task]);
  await app.createWorker({ concurrency: 3 }).start();
  await world.clock.advance(10_000);
  expect((await producer.backend.list({ state: "running" })).tasks).toHaveLength(3);
  // A window holds 32 tasks of each of 8 shards; nothing beyond is read while it is full.
  const first = store.entriesRead;
  expect(first).toBeLessThan(8 * 32 + 20);
  for (let ended = 0; ended < 1_000; ended += 1) {
    calls[ended]?.end.resolve(ended);
    await world.clock.settle();
  }
  expect(calls.length).toBe(1_003);
  expect(store.entriesRead - first).toBeLessThan(1_000 + 8 * 32);
});

test("history lost: a worker whose watches lost theirs goes on", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const { app, store } = await troubledApp(world, [quick]);
  await app.createWorker().start();
  const producer = await world.app();
  using relisted = noteEvents("etask:watch:relisted");
  for (let round = 0; round < 3; round += 1) {
    store.away = true;
    const handles = [1, 2, 3].map((n) => producer.enqueue("quick", { n }));
    const all = await Promise.all(handles);
    world.storage.compact(world.storage.revision);
    store.away = false;
    const results = Promise.all(all.map((handle) => handle.result({ timeout: "10s" })));
    expect(await world.drive(results)).toEqual([1, 2, 3]);
  }
  expect(relisted.seen.length).toBeGreaterThan(0);
});

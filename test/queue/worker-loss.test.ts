import { expect, test } from "vitest";
import { del, put } from "../../src/store/part.ts";
import { handRange, taskKey } from "../../src/task/keyspace.ts";
import { noteEvents } from "./support/events.ts";
import { dropSessions } from "./support/sessions.ts";
import { defineHeldTask, defineQuickTask } from "./support/tasks.ts";
import { TroubledStore } from "./support/troubled-store.ts";
import { createWorld } from "./support/world.ts";

test("lease lost: handlers are told why, the worker goes on under a new id", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask<number>("held");
  const app = await world.app([task]);
  const worker = app.createWorker({ concurrency: 3, leaseTtl: "5s" });
  await worker.start();
  using lost = noteEvents("etask:worker:lease-lost");
  using rescued = noteEvents("etask:task:rescued");
  using stale = noteEvents("etask:task:stale");
  const [handle] = await task.delayMany([1, 2]);
  await world.until(() => calls.length === 2);
  const before = worker.id;
  await dropSessions(world);
  await world.until(() => lost.seen.length === 1);
  expect(lost.seen).toEqual([{ worker: before, running: 2 }]);
  for (const { ctx } of calls.slice(0, 2)) {
    expect(ctx.signal.reason).toMatchObject({ code: "ATTEMPT_ABORTED", reason: "lease-lost" });
  }
  await world.until(() => worker.id !== before);
  // The deaf handlers keep their places: there is room for one.
  await world.until(() => calls.length === 3);
  await world.clock.advance(60_000);
  expect(calls).toHaveLength(3);
  expect(rescued.seen).toHaveLength(2);
  calls[0]?.end.resolve("late");
  calls[1]?.end.resolve("late");
  await world.until(() => calls.length === 4);
  expect(stale.seen.map(({ worker }) => worker)).toEqual([before, before]);
  for (const { end } of calls.slice(2)) end.resolve("again");
  expect(await world.drive(handle?.result() ?? Promise.reject())).toBe("again");
  expect(await handle?.state()).toMatchObject({ attempt: 2, worker: worker.id });
  const fences = calls.filter(({ ctx }) => ctx.id === handle?.id).map(({ ctx }) => ctx.fence);
  expect(fences).toEqual(fences.toSorted((a, b) => a - b));
});

test("lease lost: a store that does not answer for most of the lease's time counts as lost", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask<number>("held");
  let store: TroubledStore | undefined;
  const app = await world.app([task], {
    decorate: (inner) => {
      store = new TroubledStore(inner);
      return store;
    },
  });
  await app.createWorker({ leaseTtl: "10s" }).start();
  await task.delay(1);
  await world.until(() => calls.length === 1);
  if (store) store.away = true;
  await world.clock.advance(8_000);
  expect(calls[0]?.ctx.signal.aborted).toBe(false);
  await world.clock.advance(2_500);
  expect(calls[0]?.ctx.signal.aborted).toBe(true);
  if (store) store.away = false;
  await world.until(() => calls.length === 2);
});

test("lease lost: an outage shorter than the lease's time is survived, also by a short lease", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask<number>("held");
  let store: TroubledStore | undefined;
  const app = await world.app([task], {
    decorate: (inner) => {
      store = new TroubledStore(inner);
      return store;
    },
  });
  using lost = noteEvents("etask:worker:lease-lost");
  await app.createWorker({ leaseTtl: "2s" }).start();
  await task.delay(1);
  await world.until(() => calls.length === 1);
  for (let round = 0; round < 10; round += 1) {
    if (store) store.away = true;
    await world.clock.advance(1_000);
    if (store) store.away = false;
    await world.clock.advance(700);
  }
  expect(lost.seen).toEqual([]);
  expect(calls[0]?.ctx.signal.aborted).toBe(false);
});

test("row 8: all of a vanished worker's tasks are back at once, at their places, for others", async () => {
  await using world = createWorld();
  const held = defineHeldTask<{ n: number }>("t");
  const first = (await world.app([held.task])).createWorker({ concurrency: 100 });
  await first.start();
  const producer = await world.app();
  const ids = Array.from({ length: 100 }, (_, n) => `t/${String(n).padStart(3, "0")}`);
  for (const [n, id] of ids.entries()) await producer.enqueue("t", { n }, { id });
  await world.until(() => held.calls.length === 100);
  // Not one that takes: what is put back can be seen to wait.
  const bystander = (await world.app([defineQuickTask("other")])).createWorker();
  await bystander.start();
  await world.clock.settle();
  const droppedAt = world.clock.monotonic();
  using rescued = noteEvents("etask:task:rescued");
  await dropSessions(world, first.id);
  await world.until(() => rescued.seen.length === 100);
  expect(world.clock.monotonic() - droppedAt).toBeLessThan(2_000);
  for (const event of rescued.seen) expect(event.state).toBe("pending");
  await world.until(async () => {
    const { tasks } = await producer.backend.list({ state: "running", limit: 200 });
    return tasks.length === 0 || held.calls.length > 100;
  });
  expect((await producer.backend.get("t/007"))?.attempt).toBeGreaterThanOrEqual(1);
});

test("rescue: a task that its worker had taken twice is found in two hands and put back once", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask<string>("held", {
    retry: { attempts: 5, backoff: "immediate" },
  });
  const first = (await world.app([task])).createWorker({ concurrency: 2, leaseTtl: "5s" });
  const producer = await world.app();
  await Promise.all(["a", "b"].map((id) => producer.enqueue("held", id, { id })));
  await first.start();
  await world.until(() => calls.length === 2);
  calls.find(({ input }) => input === "b")?.end.reject(new Error("first"));
  await world.until(() => calls.length === 3);
  expect((await world.store.range(handRange())).entries).toHaveLength(2);
  using rescued = noteEvents("etask:task:rescued");
  await (await world.app([defineQuickTask("other")])).createWorker().start();
  await world.clock.settle();
  await dropSessions(world, first.id);
  await world.until(() => rescued.seen.length >= 2);
  expect(rescued.seen.map(({ id }) => id).toSorted()).toEqual(["a", "b"]);
});

test("rescue: nothing of a live worker is touched, whoever starts and audits", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask<number>("held");
  await (await world.app([task])).createWorker({ concurrency: 10 }).start();
  await (await world.app()).enqueue("held", 1);
  await world.until(() => calls.length === 1);
  using rescued = noteEvents("etask:task:rescued");
  let store: TroubledStore | undefined;
  const app = await world.app([defineQuickTask("other")], {
    decorate: (inner) => {
      store = new TroubledStore(inner);
      return store;
    },
  });
  await app.createWorker().start();
  await world.clock.advance(60_000);
  expect(rescued.seen).toEqual([]);
  expect(store?.reads.filter((key) => key.startsWith("task/"))).toEqual([]);
});

test("rescue: what was left when nobody was there is found by the next worker", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask<number>("held");
  const producer = await world.app([task]);
  await task.delay(1, { id: "a" });
  await producer.broker.dequeue("a");
  await dropSessions(world);
  await world.clock.advance(60_000);
  expect((await producer.backend.get("a"))?.state).toBe("running");
  await (await world.app([task])).createWorker().start();
  await world.until(() => calls.length === 1);
  expect(calls[0]?.ctx.attempt).toBe(2);
});

test("rescue: a task that has cost three workers fails and says which", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask<number>("held", { retry: { attempts: 99 } });
  const app = await world.app([task]);
  const worker = app.createWorker({ leaseTtl: "5s" });
  await worker.start();
  const handle = await task.delay(1);
  const ids: (string | undefined)[] = [];
  for (let lost = 1; lost <= 3; lost += 1) {
    await world.until(() => calls.length === lost);
    ids.push(worker.id);
    await dropSessions(world);
    await world.until(() => worker.id !== ids.at(-1));
  }
  const end = await world.drive(handle.settle());
  expect(end).toMatchObject({
    state: "failed",
    error: { code: "WORKER_LOST", message: expect.stringContaining(ids[2] ?? "?") as string },
  });
  expect((await handle.state()).attempt).toBe(3);
  expect((await world.store.range(handRange())).entries).toEqual([]);
});

test("rescue: lost workers do not use up the attempts of the retry policy", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask<number>("held", {
    retry: { attempts: 2, backoff: "immediate" },
  });
  const app = await world.app([task]);
  await app.createWorker({ leaseTtl: "5s" }).start();
  const handle = await task.delay(1);
  await world.until(() => calls.length === 1);
  await dropSessions(world);
  await world.until(() => calls.length === 2);
  calls[1]?.end.reject(new Error("first failure"));
  await world.until(() => calls.length === 3);
  calls[2]?.end.reject(new Error("second failure"));
  const end = await world.drive(handle.settle());
  expect(end).toMatchObject({ state: "failed", error: { message: "second failure" } });
});

test("rescue: a task whose spec is gone fails, so that it does not run for ever", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask<number>("held");
  const first = (await world.app([task])).createWorker({ leaseTtl: "5s" });
  await first.start();
  await (await world.app()).enqueue("held", 1, { id: "a" });
  await world.until(() => calls.length === 1);
  await world.store.commit([{ guards: [], writes: [del(taskKey("a", "spec"))] }]);
  using rescued = noteEvents("etask:task:rescued");
  await (await world.app([defineQuickTask("other")])).createWorker().start();
  await world.clock.settle();
  await dropSessions(world, first.id);
  await world.until(() => rescued.seen.length === 1);
  expect(rescued.seen).toMatchObject([{ id: "a", state: "failed" }]);
});

test("rescue: a damaged hand or state does not keep the others from being rescued", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask<number>("held");
  const first = (await world.app([task])).createWorker({ concurrency: 3, leaseTtl: "5s" });
  await first.start();
  const producer = await world.app();
  for (const id of ["a", "b", "c"]) {
    await producer.enqueue("held", 1, { id });
    await world.until(() => calls.some(({ ctx }) => ctx.id === id));
  }
  const [hand] = (await world.store.range(handRange())).entries;
  const garbage = Buffer.from("{");
  await world.store.commit([
    { guards: [], writes: [put(hand?.key ?? "", garbage), put("hand/x", garbage)] },
    { guards: [], writes: [put(taskKey("b", "state"), garbage)] },
  ]);
  using rescued = noteEvents("etask:task:rescued");
  await (await world.app([defineQuickTask("other")])).createWorker().start();
  await world.clock.settle();
  await dropSessions(world, first.id);
  await world.until(() => rescued.seen.length === 1);
  expect(rescued.seen.map(({ id }) => id)).toEqual(["c"]);
});

test("row 30: another worker alone puts back what a lost one had, without a Beat or anybody's call", async () => {
  await using world = createWorld();
  const held = defineHeldTask<number>("held");
  const apps = [
    await world.app([held.task], { beat: false }),
    await world.app([held.task], { beat: false }),
  ];
  const [first, second] = apps.map((app) => app.createWorker({ leaseTtl: "5s", concurrency: 4 }));
  await first?.start();
  const handles = await held.task.delayMany([1, 2, 3]);
  await world.until(() => held.calls.length === 3);
  await second?.start();
  expect(world.storage.get("beat/leader")).toBeUndefined();
  using rescued = noteEvents("etask:task:rescued");
  const lost = first?.id ?? "";
  await dropSessions(world, lost);
  const droppedAt = world.clock.monotonic();
  await world.until(() => held.calls.length >= 6);
  expect(world.clock.monotonic() - droppedAt).toBeLessThan(2_000);
  expect(rescued.seen.map(({ from }) => from)).toEqual([lost, lost, lost]);
  for (const { end } of held.calls) end.resolve("done");
  for (const handle of handles) expect(await world.drive(handle.result())).toBe("done");
});

test("row 30: no two workers have one id, whatever their host, process and chance", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const app = await world.app([quick]);
  const workers = Array.from({ length: 50 }, () => app.createWorker());
  await Promise.all(workers.map((worker) => worker.start()));
  expect(new Set(workers.map(({ id }) => id)).size).toBe(50);
  // Chance that fails: the second one is refused, and the first one keeps what it has.
  const stuck = { ...world.random, next: () => world.random.next(), hex: () => "0123456789abcdef" };
  const held = defineHeldTask<number>("held");
  const one = (await world.app([held.task], { random: stuck })).createWorker();
  const other = (await world.app([held.task], { random: stuck })).createWorker();
  await one.start();
  const handle = await held.task.delay(1);
  await world.until(() => held.calls.length === 1);
  await expect(other.start()).rejects.toMatchObject({ code: "STORE_REFUSED" });
  held.calls[0]?.end.resolve("done");
  expect(await world.drive(handle.result())).toBe("done");
});

import { expect, test } from "vitest";
import type { TaskContext } from "../../src/task/context.ts";
import { AttemptAbortedError } from "../../src/task/failure.ts";
import { parseReadyKey, readyRange } from "../../src/task/keyspace.ts";
import { defineTask } from "../../src/task/task.ts";
import { noteEvents } from "../queue/support/events.ts";
import { defineHeldTask } from "../queue/support/tasks.ts";
import { createWorld, type World } from "../queue/support/world.ts";

const refused = (message: string) =>
  expect.objectContaining({
    code: "INVALID_OPTIONS",
    message: expect.stringContaining(message) as unknown as string,
  });

/** A task that notes its id and waits until its signal aborts, or the test ends it. */
function defineObedient(world: World, name: string) {
  const runs: { id: string; ctx: TaskContext; reason?: unknown }[] = [];
  const task = defineTask({
    name,
    run: async (_input: number, ctx) => {
      const run: (typeof runs)[number] = { id: ctx.id, ctx };
      runs.push(run);
      try {
        await world.clock.sleep(3_600_000, ctx.signal);
      } catch (error) {
        run.reason = error;
        throw error;
      }
    },
  });
  const running = () => runs.filter(({ reason }) => reason === undefined);
  return { task, runs, running };
}

test("idle: a task says so itself or is told when it is enqueued, and the enqueue wins", async () => {
  await using world = createWorld();
  const task = defineTask({ name: "t", when: "idle", preempt: true, run: () => {} });
  await world.app([task]);
  const [own, always, plain] = await Promise.all([
    task.delay(undefined, { id: "own" }),
    task.delay(undefined, { id: "always", when: "always" }),
    task.delay(undefined, { id: "plain", preempt: false }),
  ]);
  expect(await own.state()).toMatchObject({ when: "idle", preempt: true });
  expect(await always.state()).toMatchObject({ when: "always", preempt: false });
  expect(await plain.state()).toMatchObject({ when: "idle", preempt: false });
  const { entries } = await world.store.range(readyRange("default"));
  const idle = entries.filter(({ key }) => parseReadyKey(key)?.idle);
  expect(idle).toHaveLength(2);
});

test("idle: what is neither always nor idle is refused, and so is preempt without idle", async () => {
  await using world = createWorld();
  const task = defineTask({ name: "t", run: () => {} });
  const app = await world.app([task]);
  const enqueue = (options: object) => app.enqueue("t", undefined, options);
  await expect(enqueue({ when: "night" })).rejects.toEqual(refused("when must be one of"));
  await expect(enqueue({ when: "idle", preempt: 1 })).rejects.toEqual(refused("preempt must be"));
  await expect(enqueue({ preempt: true })).rejects.toEqual(refused('say when: "idle"'));
  expect(() => defineTask({ name: "u", when: "soon" as "idle", run: () => {} })).toThrow(
    refused("when must be one of"),
  );
});

test("idle: every task that is not idle goes first, whatever their priorities", async () => {
  await using world = createWorld();
  const order: string[] = [];
  const task = defineTask({
    name: "t",
    run: (_input: undefined, { id }) => {
      order.push(id);
    },
  });
  const app = await world.app([task]);
  for (let n = 0; n < 30; n += 1) {
    const id = `i${String(n).padStart(2, "0")}`;
    await task.delay(undefined, { id, when: "idle", preempt: true, priority: 9 });
  }
  for (let n = 0; n < 30; n += 1) {
    await task.delay(undefined, { id: `o${String(n).padStart(2, "0")}`, priority: 0 });
  }
  const queue = await app.queues.get("default");
  expect([queue.waiting, queue.waitingIdle]).toEqual([60, 30]);
  await app.createWorker({ concurrency: 1 }).start();
  await world.until(() => order.length === 60);
  expect(order).toEqual([...order.slice(0, 30).sort(), ...order.slice(30).sort()]);
  expect(order.slice(0, 30).every((id) => id.startsWith("o"))).toBe(true);
});

test("idle: nothing is taken before the host was looked at, nor while the probe says no", async () => {
  await using world = createWorld();
  let room = false;
  const { task, calls } = defineHeldTask<number>("held");
  const app = await world.app([task]);
  await task.delayMany([1, 2, 3], { when: "idle" });
  await app.createWorker({ concurrency: 4, idle: { probe: () => room } }).start();
  await world.clock.advance(900);
  expect(calls).toHaveLength(0);
  await world.clock.advance(60_000);
  expect(calls).toHaveLength(0);
  const [busy] = await app.broker.workers();
  expect(busy?.room).toMatchObject({ idle: false, why: ["the probe says no"] });
  room = true;
  await world.until(() => calls.length === 3);
  await world.clock.advance(5_000);
  const [free] = await app.broker.workers();
  expect(free?.room).toMatchObject({ idle: true, why: [], cpu: 0, memoryFree: 1 });
  for (const { end } of calls) end.resolve(1);
});

test("idle: a busy host takes no more, and gives what it may back uncounted", async () => {
  await using world = createWorld();
  let room = true;
  using finished = noteEvents("etask:task:finished");
  const { task, runs, running } = defineObedient(world, "scrub");
  const app = await world.app([task]);
  await app.createWorker({ concurrency: 5, idle: { probe: () => room } }).start();
  const given = await task.delay(0, { when: "idle", preempt: true });
  const kept = await task.delay(1, { when: "idle" });
  await world.until(() => running().length === 2);
  await task.delay(2, { when: "always" });
  await world.until(() => running().length === 3);
  room = false;
  await world.until(() => finished.seen.length === 1);
  expect(finished.seen[0]).toMatchObject({ id: given.id, state: "released" });
  const { reason } = runs.find(({ id }) => id === given.id) ?? {};
  expect(reason).toBeInstanceOf(AttemptAbortedError);
  expect(reason).toMatchObject({ reason: "preempted" });
  expect(await given.state()).toMatchObject({ state: "pending", attempt: 0, attempts: [] });
  expect(await kept.state()).toMatchObject({ state: "running", attempt: 1 });
  await task.delay(3, { when: "idle" });
  await world.clock.advance(60_000);
  expect(runs).toHaveLength(3);
  room = true;
  await world.until(() => running().length === 4);
  expect(await given.state()).toMatchObject({ state: "running", attempt: 1 });
});

test("idle: one slot stays free, so a task that is not idle starts at once", async () => {
  await using world = createWorld();
  const idle = defineHeldTask<number>("idle", { when: "idle" });
  const quick = defineHeldTask<number>("quick");
  const app = await world.app([idle.task, quick.task]);
  await app.createWorker({ concurrency: 4 }).start();
  await idle.task.delayMany(Array.from({ length: 20 }, (_, n) => n));
  await world.until(() => idle.running() === 3);
  await world.clock.advance(30_000);
  expect(idle.running()).toBe(3);
  await quick.task.delay(1);
  await world.clock.settle();
  expect(quick.running()).toBe(1);
  // Two places would be needed, so an idle task that ends is followed by none.
  idle.calls[0]?.end.resolve(0);
  await world.clock.advance(30_000);
  expect(idle.calls).toHaveLength(3);
  quick.calls[0]?.end.resolve(0);
  await world.until(() => idle.calls.length === 4);
  for (const { end } of idle.calls) end.resolve(0);
});

test("idle: tasks that are not idle take the place of those that can be given back", async () => {
  await using world = createWorld();
  const idle = defineObedient(world, "scrub");
  const held = defineHeldTask<number>("held");
  const app = await world.app([idle.task, held.task]);
  await app.createWorker({ concurrency: 4 }).start();
  await idle.task.delayMany([0, 1, 2], { when: "idle", preempt: true });
  await world.until(() => idle.running().length === 3);
  const last = idle.runs.at(-1)?.id;
  await held.task.delayMany([1, 2]);
  await world.until(() => held.running() === 2);
  expect(idle.running()).toHaveLength(2);
  expect(idle.runs.find(({ id }) => id === last)?.reason).toBeDefined();
  await held.task.delayMany([3, 4, 5, 6]);
  await world.until(() => held.running() === 4);
  await world.clock.advance(10_000);
  expect([idle.running().length, held.runningMax()]).toEqual([0, 4]);
  for (const { end } of held.calls) end.resolve(0);
  await world.until(() => held.calls.length === 6);
  for (const { end } of held.calls) end.resolve(0);
  await world.until(() => idle.running().length === 3);
});

test("idle: with one slot only what gives it back runs, and gives it back at once", async () => {
  await using world = createWorld();
  const idle = defineObedient(world, "scrub");
  const quick = defineHeldTask<number>("quick");
  const app = await world.app([idle.task, quick.task]);
  const stays = await idle.task.delay(0, { when: "idle" });
  const gives = await idle.task.delay(1, { when: "idle", preempt: true });
  await app.createWorker({ concurrency: 1 }).start();
  await world.until(() => idle.running().length === 1);
  expect(idle.running().map(({ id }) => id)).toEqual([gives.id]);
  await quick.task.delay(1);
  await world.clock.settle();
  expect([quick.running(), idle.running().length]).toEqual([1, 0]);
  quick.calls[0]?.end.resolve(0);
  await world.until(() => idle.running().length === 1);
  expect(await stays.state()).toMatchObject({ state: "pending", attempt: 0 });
});

test("idle: a handler that is deaf to its signal is given back without it", async () => {
  await using world = createWorld();
  using zombies = noteEvents("etask:task:zombie");
  const deaf = defineHeldTask<number>("deaf", { when: "idle", preempt: true });
  const quick = defineHeldTask<number>("quick");
  const app = await world.app([deaf.task, quick.task]);
  const handle = await deaf.task.delay(1);
  await app.createWorker({ concurrency: 1 }).start();
  await world.until(() => deaf.running() === 1);
  await quick.task.delay(1);
  await world.clock.advance(4_900);
  expect(quick.running()).toBe(0);
  await world.clock.advance(200);
  await world.until(() => quick.running() === 1);
  expect(zombies.seen).toMatchObject([{ id: handle.id, why: "preempted" }]);
  expect(await handle.state()).toMatchObject({ state: "pending", attempt: 0 });
  for (const { end } of [...deaf.calls, ...quick.calls]) end.resolve(0);
  await world.until(() => deaf.calls.length === 2);
  deaf.calls[1]?.end.resolve("done");
  expect(await world.drive(handle.result())).toBe("done");
});

test("idle: a cancellation goes before being given back", async () => {
  await using world = createWorld();
  let room = true;
  const { task, running } = defineObedient(world, "scrub");
  const app = await world.app([task]);
  await app.createWorker({ idle: { probe: () => room } }).start();
  const handle = await task.delay(0, { when: "idle", preempt: true });
  await world.until(() => running().length === 1);
  room = false;
  await world.until(() => running().length === 0);
  await world.drive(handle.cancel());
  expect(await world.drive(handle.settle())).toMatchObject({ state: "cancelled" });
});

test("idle: a task whose spec is too large for the index is given back all the same", async () => {
  await using world = createWorld();
  const { task, running, runs } = defineObedient(world, "scrub");
  const app = await world.app([task]);
  await app.createWorker({ concurrency: 1 }).start();
  const large = { trace: "x".repeat(4_000) };
  await task.delay(0, { when: "idle", preempt: true, headers: large, idPrefix: "a/" });
  await world.until(() => running().length === 1);
  await task.delay(1);
  await world.until(() => runs.length === 2);
  expect(runs[0]?.reason).toMatchObject({ reason: "preempted" });
});

test("idle: a queue's own limit leaves a place free, too, unless it has one alone", async () => {
  await using world = createWorld();
  const held = defineHeldTask<number>("held");
  const app = await world.app([held.task]);
  await app.queues.configure("two", { concurrency: 2 });
  await app.queues.configure("one", { concurrency: 1 });
  await app.createWorker({ concurrency: 10, queues: ["one", "two"] }).start();
  await held.task.delayMany([1, 2, 3], { when: "idle", queue: "two" });
  await held.task.delayMany([1, 2, 3], { when: "idle", queue: "one" });
  await world.until(() => held.running() === 2);
  await world.clock.advance(30_000);
  expect(held.calls.map(({ ctx }) => ctx.queue).sort()).toEqual(["one", "two"]);
  await held.task.delay(9, { queue: "two" });
  await world.until(() => held.running() === 3);
  for (const { end } of held.calls) end.resolve(0);
  await world.clock.settle();
});

test("idle: a worker that takes none leaves them to one that does", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask<number>("held");
  const app = await world.app([task]);
  const without = app.createWorker({ idle: false });
  await without.start();
  const handle = await task.delay(1, { when: "idle" });
  await task.delay(2);
  await world.clock.advance(60_000);
  expect(calls.map(({ input }) => input)).toEqual([2]);
  expect((await app.broker.workers())[0]?.room).toBeUndefined();
  await app.createWorker().start();
  await world.until(() => calls.length === 2);
  expect(calls[1]?.ctx.id).toBe(handle.id);
  for (const { end } of calls) end.resolve(0);
});

test("idle: it takes idle tasks of shards that a busy worker prefers, after all others", async () => {
  await using world = createWorld();
  const order: string[] = [];
  const task = defineTask({
    name: "t",
    run: (_input: number, { id }) => {
      order.push(id);
    },
  });
  const blocker = defineHeldTask<number>("blocker");
  const app = await world.app([task, blocker.task]);
  const busy = app.createWorker({ concurrency: 2, idle: { probe: () => false } });
  await busy.start();
  await blocker.task.delayMany([1, 2]);
  await world.until(() => blocker.running() === 2);
  for (let n = 0; n < 20; n += 1) await task.delay(n, { id: `idle-${n}`, when: "idle" });
  for (let n = 0; n < 20; n += 1) await task.delay(n, { id: `task-${n}` });
  await app.createWorker({ concurrency: 3 }).start();
  await world.until(() => order.length === 40);
  expect(order.slice(0, 20).every((id) => id.startsWith("task-"))).toBe(true);
  for (const { end } of blocker.calls) end.resolve(0);
});

test("idle: it stays so through delays, retries, snoozes and retries by hand", async () => {
  await using world = createWorld();
  let fail = true;
  let calls = 0;
  const task = defineTask({
    name: "t",
    when: "idle",
    retry: { attempts: 2, delay: "1s" },
    run: () => {
      calls += 1;
      if (fail) throw new Error("no");
    },
  });
  const app = await world.app([task]);
  const handle = await task.delay(undefined, { in: "10s" });
  const worker = app.createWorker();
  await worker.start();
  await world.drive(handle.settle());
  expect(calls).toBe(2);
  await worker.stop();
  fail = false;
  await app.broker.retry(handle.id);
  const { entries } = await world.store.range(readyRange("default"));
  expect(entries.map(({ key }) => parseReadyKey(key)?.idle)).toEqual([true]);
  await app.broker.update(handle.id, { priority: 9 });
  const moved = await world.store.range(readyRange("default"));
  expect(moved.entries.map(({ key }) => parseReadyKey(key))).toMatchObject([
    { idle: true, priority: 9 },
  ]);
  await app.createWorker().start();
  await world.drive(handle.result());
});

test.each([
  ["throws", () => Promise.reject(new Error("no battery")), "the probe failed: no battery"],
  ["does not answer", () => new Promise<boolean>(() => {}), "the probe failed: It did not answer"],
  ["answers nonsense", () => 1 as unknown as boolean, "the probe failed: idle.probe must answer"],
])("idle: a probe that %s counts as a no, and is reported once", async (_what, probe, why) => {
  await using world = createWorld();
  using failed = noteEvents("etask:loop:failed");
  const { task, calls } = defineHeldTask<number>("held");
  const app = await world.app([task]);
  await task.delay(1, { when: "idle" });
  await app.createWorker({ idle: { probe } }).start();
  await world.clock.advance(60_000);
  expect(calls).toHaveLength(0);
  expect((await app.broker.workers())[0]?.room?.why).toEqual([expect.stringContaining(why)]);
  expect(failed.seen.map(({ loop }) => loop)).toEqual(["idle probe"]);
});

test("idle: what a worker says of its host is written when it changes, and not otherwise", async () => {
  await using world = createWorld();
  let room = true;
  const { task } = defineHeldTask<number>("held");
  const app = await world.app([task], { beat: false });
  using said = noteEvents("etask:worker:room");
  const worker = app.createWorker({ idle: { probe: () => room } });
  await worker.start();
  const version = async () => {
    const { entries } = await world.store.range({ start: "worker/", end: "worker0" });
    return entries.map((entry) => entry.version);
  };
  await world.clock.advance(60_000);
  expect(await version()).toEqual([2]);
  room = false;
  await world.clock.advance(60_000);
  expect(await version()).toEqual([3]);
  expect(said.seen.map(({ idle }) => idle)).toEqual([true, false]);
});

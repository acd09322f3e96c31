import { expect, test } from "vitest";
import { prefixRange } from "../../src/store/range.ts";
import { workerKey } from "../../src/task/keyspace.ts";
import { defineTask } from "../../src/task/task.ts";
import { noteEvents } from "./support/events.ts";
import { defineHeldTask } from "./support/tasks.ts";
import { createWorld, type World } from "./support/world.ts";

const WHO = { reason: "not needed", by: "ops" };

/** A task that runs until it is told to stop. */
function defineObedient(world: World, options: { retry?: { attempts: number } } = {}) {
  const reasons: unknown[] = [];
  const task = defineTask({
    name: "obedient",
    ...options,
    run: async (_input: undefined, { signal }) => {
      try {
        await world.clock.sleep(600_000, signal);
        return "done";
      } catch (error) {
        reasons.push(signal.reason.reason);
        throw error;
      }
    },
  });
  return { task, reasons };
}

const left = async (world: World) => {
  const prefixes = ["signal/", "deadline/", "ready/", "due/"];
  const pages = await Promise.all(prefixes.map((each) => world.store.range(prefixRange(each))));
  return pages.flatMap(({ entries }) => entries.map(({ key }) => key));
};

test("cancel: a running task is told from another app, obeys and is cancelled", async () => {
  await using world = createWorld();
  const { task, reasons } = defineObedient(world, { retry: { attempts: 9 } });
  const worker = (await world.app([task])).createWorker();
  await worker.start();
  const elsewhere = await world.app();
  const { id } = await task.delay(undefined);
  await world.until(() => worker.running === 1);

  const receipt = await elsewhere.broker.cancel(id, WHO);
  expect(receipt).toMatchObject({ outcome: "requested", state: "running" });
  const before = world.clock.now();
  const end = await world.drive(elsewhere.handle(id).settle());

  expect(end).toEqual({ state: "cancelled" });
  expect(world.clock.now() - before).toBeLessThan(100);
  expect(reasons).toEqual(["cancelled"]);
  const view = await elsewhere.backend.get(id);
  expect(view?.cancel).toMatchObject({ ...WHO, forced: false });
  await world.clock.advance(60_000);
  expect(await left(world)).toEqual([]);
});

test("cancel: twice, or after the end, says so and changes nothing", async () => {
  await using world = createWorld();
  const held = defineHeldTask("held");
  const app = await world.app([held.task]);
  await app.createWorker().start();
  const { id } = await held.task.delay();
  await world.until(() => held.running() === 1);
  await app.broker.cancel(id, WHO);
  const { revision } = world.storage;
  expect(await app.broker.cancel(id)).toMatchObject({ outcome: "already-requested" });
  expect(world.storage.revision).toBe(revision);
  held.calls[0]?.end.reject(new Error("stopped"));
  await world.drive(app.handle(id).settle());
  expect(await app.broker.cancel(id)).toMatchObject({ outcome: "ended", state: "cancelled" });
  await expect(app.broker.cancel("nobody")).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
});

test("cancel: a handler that finishes all the same has succeeded, and leaves nothing behind", async () => {
  await using world = createWorld();
  const held = defineHeldTask("held");
  const app = await world.app([held.task]);
  await app.createWorker().start();
  const { id } = await held.task.delay();
  await world.until(() => held.running() === 1);
  await app.broker.cancel(id, WHO);
  held.calls[0]?.end.resolve("done");
  expect(await world.drive(app.handle(id).result())).toBe("done");
  await world.clock.advance(60_000);
  expect(await left(world)).toEqual([]);
  expect((await world.store.range(prefixRange(`task/${id}#cancel`))).entries).toEqual([]);
});

test("cancel: a deaf handler is given up after its grace, and is a zombie", async () => {
  await using world = createWorld();
  using zombies = noteEvents("etask:task:zombie");
  const deaf = defineHeldTask("deaf");
  const app = await world.app([deaf.task]);
  await app.createWorker().start();
  const { id } = await deaf.task.delay();
  await world.until(() => deaf.running() === 1);
  const before = world.clock.now();
  await app.broker.cancel(id, { ...WHO, grace: "3s" });
  await world.drive(app.handle(id).settle());
  expect(world.clock.now() - before).toBeGreaterThanOrEqual(3_000);
  expect(world.clock.now() - before).toBeLessThan(3_200);
  expect((await app.backend.get(id))?.cancel).toMatchObject({ ...WHO, forced: true });
  expect(zombies.seen).toMatchObject([{ id, why: "cancelled" }]);
  deaf.calls[0]?.end.resolve(undefined);
});

test("cancel: one that fails or snoozes after the wish does not run again", async () => {
  await using world = createWorld();
  const held = defineHeldTask("held", { retry: { attempts: 9, backoff: "immediate" } });
  const app = await world.app([held.task]);
  await app.createWorker().start();
  const { id } = await held.task.delay();
  await world.until(() => held.running() === 1);
  const cancelling = app.broker.cancel(id, WHO);
  held.calls[0]?.end.reject(new Error("boom"));
  await world.drive(cancelling);
  const end = await world.drive(app.handle(id).settle());
  await world.clock.advance(60_000);
  expect(["cancelled", "succeeded"]).toContain(end.state);
  expect(held.calls.length).toBeLessThanOrEqual(2);
  expect(await left(world)).toEqual([]);
});

test("row 12: a cancel survives the worker: its rescuer cancels instead of running again", async () => {
  await using world = createWorld();
  const held = defineHeldTask("held");
  const dying = await world.app([held.task], { beat: false });
  const worker = dying.createWorker({ leaseTtl: "5s" });
  await worker.start();
  const other = defineHeldTask("held");
  const { id } = await held.task.delay();
  await world.until(() => held.running() === 1);
  const app = await world.app([other.task]);
  await app.createWorker().start();
  await app.broker.cancel(id, { ...WHO, grace: "1h" });
  // The lease goes, as it does when the process dies.
  const entry = await world.store.get(workerKey(worker.id as string));
  await world.store.revoke(entry?.lease as string);
  const end = await world.drive(app.handle(id).settle());
  expect(end.state).toBe("cancelled");
  expect(other.calls).toEqual([]);
  held.calls[0]?.end.resolve(undefined);
});

test("row 11: Beat ends a cancelled task whose worker never hears of it", async () => {
  await using world = createWorld();
  const task = defineTask({ name: "t", run: () => 1 });
  const app = await world.app([task]);
  const consumer = await world.app();
  app.createBeat().start();
  const { id } = await task.delay();
  const taken = await world.drive(consumer.broker.dequeue(id));
  await app.broker.cancel(id, { ...WHO, grace: "2s" });
  const end = await world.drive(app.handle(id).settle());
  expect(end.state).toBe("cancelled");
  expect((await app.backend.get(id))?.cancel?.forced).toBe(true);
  await expect(taken?.succeed(1)).rejects.toMatchObject({ code: "ATTEMPT_STALE" });
});

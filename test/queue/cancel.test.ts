import { expect, test } from "vitest";
import { Backend } from "../../src/backend/backend.ts";
import { prefixRange } from "../../src/store/range.ts";
import { defineQuickTask } from "./support/tasks.ts";
import { createWorld, type World } from "./support/world.ts";

const WHO = { reason: "not needed", by: "ops" };

async function keysOf({ store }: World, prefix: string): Promise<string[]> {
  return (await store.range(prefixRange(prefix))).entries.map(({ key }) => key);
}

test("cancel: a task that waits has ended at once, and its place in the queue is gone", async () => {
  await using world = createWorld();
  const app = await world.app();
  const { id } = await app.enqueue("quick");
  expect(await app.broker.cancel(id, WHO)).toMatchObject({
    id,
    outcome: "cancelled",
    state: "cancelled",
    revision: world.storage.revision,
  });
  expect(await keysOf(world, "ready/")).toEqual([]);
  expect(await keysOf(world, "expire/")).toHaveLength(1);
  const view = await app.backend.get(id);
  expect(view).toMatchObject({ state: "cancelled", attempt: 0, attempts: [], cancel: WHO });
  await expect(app.handle(id).result()).rejects.toMatchObject({ code: "TASK_CANCELLED" });
});

test("cancel: a delayed task never starts, also one that has a state already", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const app = await world.app([quick]);
  const fresh = await quick.delay({ n: 1 }, { in: "1m" });
  const moved = await quick.delay({ n: 2 }, { in: "1m" });
  await app.broker.update(moved.id, { priority: 9 });
  for (const { id } of [fresh, moved]) {
    expect(await app.broker.cancel(id)).toMatchObject({ outcome: "cancelled" });
  }
  expect(await keysOf(world, "due/")).toEqual([]);
  await app.createWorker().start();
  await world.clock.advance(120_000);
  for (const { id } of [fresh, moved]) {
    expect(await app.backend.get(id)).toMatchObject({ state: "cancelled", attempt: 0 });
  }
});

test("row 12: a cancelled task is in the store as such, so no worker that comes later runs it", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const producer = await world.app([quick]);
  const handles = await quick.delayMany([{ n: 1 }, { n: 2 }, { n: 3 }]);
  const cancelled = handles[1]?.id ?? "";
  await producer.broker.cancel(cancelled);
  await (await world.app([defineQuickTask("quick")])).createWorker().start();
  await world.drive(
    Promise.all(handles.map(({ id }) => producer.handle(id).settle({ timeout: "1m" }))),
  );
  const states = handles.map(async ({ id }) => (await producer.backend.get(id))?.state);
  expect(await Promise.all(states)).toEqual(["succeeded", "cancelled", "succeeded"]);
});

test("cancel: of two at once one cancels, the other is told that it has ended", async () => {
  await using world = createWorld();
  const [one, two] = [await world.app(), await world.app()];
  const { id } = await one.enqueue("quick");
  const receipts = await Promise.all([one.broker.cancel(id), two.broker.cancel(id)]);
  expect(receipts.map(({ outcome }) => outcome).sort()).toEqual(["cancelled", "ended"]);
});

test("cancel: the retention of the queue holds where the task says nothing", async () => {
  await using world = createWorld();
  const app = await world.app();
  await app.queues.configure("q", { retention: { failed: "1m" } });
  const { id } = await app.enqueue("quick", undefined, { queue: "q" });
  await app.broker.cancel(id);
  await app.createBeat().start();
  await world.clock.advance(60_000);
  expect(await app.backend.get(id)).toBeDefined();
  await world.clock.advance(180_000);
  expect(await app.backend.get(id)).toBeUndefined();
});

test("cancel: what is not allowed is refused, and the store is unchanged", async () => {
  await using world = createWorld();
  const app = await world.app();
  const { id } = await app.enqueue("quick");
  const { revision } = world.storage;
  const invalid = { code: "INVALID_OPTIONS" };
  await expect(app.broker.cancel(id, { reason: "x".repeat(501) })).rejects.toMatchObject(invalid);
  await expect(app.broker.cancel(id, { by: "" })).rejects.toMatchObject(invalid);
  await expect(app.broker.cancel(id, { by: "x".repeat(101) })).rejects.toMatchObject(invalid);
  await expect(app.broker.cancel(id, { grace: "2d" })).rejects.toMatchObject(invalid);
  await expect(app.broker.cancel(id, { grace: -1 })).rejects.toMatchObject(invalid);
  await expect(app.broker.cancel(id, { why: "x" } as object)).rejects.toMatchObject(invalid);
  await expect(app.broker.cancel("not an id")).rejects.toMatchObject(invalid);
  await expect(app.broker.cancel("nobody")).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
  expect(world.storage.revision).toBe(revision);
});

test("handle: offers what the broker does about its task", async () => {
  await using world = createWorld();
  const app = await world.app();
  const { id } = await app.enqueue("quick", { n: 1 }, { in: "1m" });
  const { clock, random } = world;
  const backend = new Backend(app.store, { clock, random }, app.broker);
  const handle = backend.handle({ id, revision: 0, created: false });
  await handle.setPriority(7);
  await handle.edit({ n: 2 });
  await handle.reschedule("now");
  expect(await handle.state()).toMatchObject({ priority: 7, input: { n: 2 }, state: "pending" });
  expect(await handle.cancel(WHO)).toMatchObject({ outcome: "cancelled" });
  const next = await handle.retry();
  expect(await next.state()).toMatchObject({ state: "pending", generation: 2 });
  await backend.close();
});

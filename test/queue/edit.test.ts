import { expect, test } from "vitest";
import { z } from "zod";
import type { App } from "../../src/app.ts";
import { prefixRange } from "../../src/store/range.ts";
import { defineTask } from "../../src/task/task.ts";
import { defineHeldTask, defineQuickTask } from "./support/tasks.ts";
import { createWorld, type World } from "./support/world.ts";

async function keysOf({ store }: World, prefix: string): Promise<string[]> {
  return (await store.range(prefixRange(prefix))).entries.map(({ key }) => key);
}

async function run(world: World, app: App, id: string): Promise<unknown> {
  return world.drive(app.handle(id).result({ timeout: "10m" }));
}

test("edit: a waiting task runs with its new input, also when both are large", async () => {
  await using world = createWorld();
  const echo = defineTask({ name: "echo", run: (input: { text: string }) => input.text });
  const app = await world.app([echo]);
  const large = "x".repeat(10_000);
  const small = await echo.delay({ text: "a" });
  const grown = await echo.delay({ text: "b" });
  const shrunk = await echo.delay({ text: large });
  const delayed = await echo.delay({ text: "c" }, { in: "10s" });
  await app.broker.edit(small.id, { text: "new" });
  await app.broker.edit(grown.id, { text: large });
  await app.broker.edit(shrunk.id, { text: "small" });
  await app.broker.edit(delayed.id, { text: "later" });
  await app.createWorker().start();
  expect(await run(world, app, small.id)).toBe("new");
  expect(await run(world, app, grown.id)).toBe(large);
  expect(await run(world, app, shrunk.id)).toBe("small");
  expect(await run(world, app, delayed.id)).toBe("later");
});

test("edit: an input that the schema refuses changes nothing", async () => {
  await using world = createWorld();
  const sum = defineTask({
    name: "sum",
    input: z.array(z.number()),
    run: (numbers) => numbers.reduce((total, each) => total + each, 0),
  });
  const app = await world.app([sum]);
  const { id } = await sum.delay([1, 2]);
  const { revision } = world.storage;
  await expect(app.broker.edit(id, ["a"])).rejects.toMatchObject({ code: "INVALID_INPUT" });
  await expect(app.broker.edit(id, [Number.NaN])).rejects.toMatchObject({ code: "NOT_JSON" });
  const tooLarge = app.broker.edit(id, "x".repeat(300_000));
  await expect(tooLarge).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
  await expect(app.broker.edit("nobody", [1])).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
  expect(world.storage.revision).toBe(revision);
});

test("reschedule: a delayed task moves, and starts at its new time and no earlier", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const app = await world.app([quick]);
  await app.createWorker().start();
  const begin = world.clock.now();
  const { id } = await quick.delay({ n: 1 }, { in: "1h" });
  await app.broker.reschedule(id, { in: "5s" });
  expect(await keysOf(world, "due/")).toHaveLength(1);
  await run(world, app, id);
  const startedAt = (await app.backend.get(id))?.startedAt?.getTime() ?? 0;
  expect(startedAt - begin).toBeGreaterThanOrEqual(5_000);
  expect(startedAt - begin).toBeLessThan(5_200);
});

test("reschedule: a pending task waits for its time; a delayed one can be had now", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const app = await world.app([quick]);
  const pending = await quick.delay({ n: 1 });
  const at = new Date(world.clock.now() + 60_000);
  await app.broker.reschedule(pending.id, { at: at.toISOString() });
  expect(await app.backend.get(pending.id)).toMatchObject({ state: "scheduled", dueAt: at });
  const delayed = await quick.delay({ n: 2 }, { in: "1h" });
  await app.broker.reschedule(delayed.id, "now");
  expect(await keysOf(world, "ready/")).toHaveLength(1);
  await app.createWorker().start();
  expect(await run(world, app, delayed.id)).toBe(2);
  expect(await app.backend.get(pending.id)).toMatchObject({ state: "scheduled" });
  expect(await run(world, app, pending.id)).toBe(1);
});

test("reschedule: a task between two attempts keeps its count", async () => {
  await using world = createWorld();
  let calls = 0;
  const flaky = defineTask({
    name: "flaky",
    retry: { attempts: 2, backoff: "constant", delay: "1h" },
    run: () => {
      calls += 1;
      if (calls === 1) throw new Error("once");
      return "done";
    },
  });
  const app = await world.app([flaky]);
  await app.createWorker().start();
  const { id } = await flaky.delay();
  await world.until(async () => (await app.backend.get(id))?.state === "scheduled");
  await app.broker.reschedule(id, "now");
  expect(await run(world, app, id)).toBe("done");
  expect(await app.backend.get(id)).toMatchObject({ attempt: 2 });
});

test("reschedule: not beyond the times by which the task must have started or ended", async () => {
  await using world = createWorld();
  const app = await world.app();
  const expiring = await app.enqueue("quick", 1, { expiresIn: "1m" });
  const bounded = await app.enqueue("quick", 1, { totalTimeout: "1m" });
  const { revision } = world.storage;
  const invalid = { code: "INVALID_OPTIONS" };
  for (const { id } of [expiring, bounded]) {
    await expect(app.broker.reschedule(id, { in: "2m" })).rejects.toMatchObject(invalid);
  }
  const { broker } = app;
  const { id } = bounded;
  await expect(broker.reschedule(id, { in: "20000d" })).rejects.toMatchObject(invalid);
  await expect(broker.reschedule(id, { in: -1 })).rejects.toMatchObject(invalid);
  await expect(broker.reschedule(id, { at: "soon" })).rejects.toMatchObject(invalid);
  await expect(broker.reschedule(id, {} as "now")).rejects.toMatchObject(invalid);
  expect(world.storage.revision).toBe(revision);
});

test("edit: a task that runs or has ended is refused, and the store is unchanged", async () => {
  await using world = createWorld();
  const held = defineHeldTask("held");
  const app = await world.app([held.task], { beat: false });
  const worker = app.createWorker({ concurrency: 1 });
  await worker.start();
  const { id } = await held.task.delay();
  await world.until(() => held.running() === 1);
  const acts = [
    () => app.broker.edit(id, 1),
    () => app.broker.update(id, { priority: 1 }),
    () => app.broker.update(id, { queue: "other" }),
    () => app.broker.reschedule(id, "now"),
  ];
  let { revision } = world.storage;
  for (const act of acts) await expect(act()).rejects.toMatchObject({ code: "TASK_RUNNING" });
  expect(world.storage.revision).toBe(revision);
  held.calls[0]?.end.resolve("done");
  await run(world, app, id);
  await world.clock.settle();
  revision = world.storage.revision;
  for (const act of acts) await expect(act()).rejects.toMatchObject({ code: "TASK_ENDED" });
  expect(world.storage.revision).toBe(revision);
});

test("edit: of any number of edits and a take, each wins whole or not at all", async () => {
  await using world = createWorld();
  const echo = defineTask({ name: "echo", run: (input: { n: number }) => input.n });
  const app = await world.app([echo]);
  const handles = await echo.delayMany(Array.from({ length: 30 }, () => ({ n: -1 })));
  const edits = handles.flatMap(({ id }) =>
    Array.from({ length: 5 }, (_, n) =>
      app.broker.edit(id, { n }).then(
        () => "edited",
        (error: { code: string }) => error.code,
      ),
    ),
  );
  await app.createWorker({ concurrency: 4 }).start();
  const outcomes = await world.drive(Promise.all(edits));
  expect(new Set([...outcomes, "edited", "TASK_RUNNING", "TASK_ENDED"]).size).toBe(3);
  for (const { id } of handles) {
    const result = await run(world, app, id);
    expect((await app.backend.get(id))?.input).toEqual({ n: result });
  }
});

test("remove: takes a delayed task, one without its ready entry, and all that belongs to it", async () => {
  await using world = createWorld();
  const app = await world.app();
  const delayed = await app.enqueue("quick", 1, { in: "1h", expiresIn: "2h", totalTimeout: "3h" });
  const lost = await app.enqueue("quick");
  for (const key of await keysOf(world, "ready/")) {
    await world.store.commit([{ guards: [], writes: [{ op: "delete", key }] }]);
  }
  expect(await app.broker.remove(delayed.id)).toBe(true);
  expect(await app.broker.remove(lost.id)).toBe(true);
  expect(await keysOf(world, "")).toEqual(["meta"]);
});

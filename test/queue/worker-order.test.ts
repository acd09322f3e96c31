import { expect, test } from "vitest";
import type { TaskContext } from "../../src/task/context.ts";
import { defineTask } from "../../src/task/task.ts";
import { noteEvents } from "./support/events.ts";
import { defineHeldTask, defineQuickTask } from "./support/tasks.ts";
import { createWorld } from "./support/world.ts";

test("worker: never runs more handlers than its concurrency, and runs that many", async () => {
  await using world = createWorld();
  const { task, calls, running, runningMax } = defineHeldTask<number>("held");
  const app = await world.app([task]);
  await app.createWorker({ concurrency: 7 }).start();
  await task.delayMany(Array.from({ length: 60 }, (_, n) => n));
  await world.until(() => running() === 7);
  await world.clock.advance(60_000);
  expect(calls).toHaveLength(7);
  for (let ended = 0; ended < 60; ended += 1) {
    await world.until(() => calls.length > ended);
    calls[ended]?.end.resolve(ended);
    await world.clock.settle();
  }
  expect(runningMax()).toBe(7);
});

test("worker: a handler knows what it runs", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask<{ a: number }>("held", { priority: 3 });
  const app = await world.app([task]);
  await task.delay({ a: 1 }, { id: "a", headers: { trace: "1" }, queue: "q" });
  await app.createWorker({ queues: ["q"] }).start();
  await world.until(() => calls.length === 1);
  expect(calls[0]?.input).toEqual({ a: 1 });
  expect(calls[0]?.ctx).toMatchObject({
    id: "a",
    name: "held",
    queue: "q",
    priority: 3,
    headers: { trace: "1" },
    attempt: 1,
    fence: world.storage.revision,
    signal: { aborted: false },
  } satisfies Partial<TaskContext> | object);
});

test.each([1, 5])(
  "worker: one with %d places takes by priority, then by age",
  async (concurrency) => {
    for (let seed = 1; seed <= 5; seed += 1) {
      await using world = createWorld(seed);
      const order: string[] = [];
      const task = defineTask({
        name: "t",
        run: (_n: number, { id }) => {
          order.push(id);
        },
      });
      const app = await world.app([task]);
      const expected: { id: string; priority: number; n: number }[] = [];
      for (let n = 0; n < 300; n += 1) {
        const priority = Math.floor(world.random.next() * 10);
        const { id } = await task.delay(n, { priority, queue: n % 3 === 0 ? "a" : "b" });
        expected.push({ id, priority, n });
        if (n % 50 === 0) await world.clock.advance(Math.floor(world.random.next() * 100_000));
      }
      expected.sort((a, b) => b.priority - a.priority || a.n - b.n);
      await app.createWorker({ concurrency, queues: ["a", "b"] }).start();
      await world.until(() => order.length === 300);
      expect(order).toEqual(expected.map(({ id }) => id));
    }
  },
);

test("worker: an urgent task goes before all that wait already", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask<string>("held");
  const app = await world.app([task]);
  await app.createWorker({ concurrency: 1 }).start();
  await task.delayMany(Array.from({ length: 500 }, () => "plain"));
  await world.until(() => calls.length === 1);
  await task.delay("urgent", { priority: 9 });
  await world.clock.settle();
  calls[0]?.end.resolve(0);
  await world.until(() => calls.length === 2);
  expect(calls[1]?.input).toBe("urgent");
});

test("worker: takes from its own queues only", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const app = await world.app([quick]);
  const mail = await quick.delay({ n: 1 }, { queue: "mail" });
  const disk = await quick.delay({ n: 2 }, { queue: "disk" });
  await app.createWorker({ queues: ["mail"] }).start();
  expect(await world.drive(mail.result())).toBe(1);
  await world.clock.advance(120_000);
  expect((await disk.state()).state).toBe("pending");
});

test("worker: kinds that it does not know are left alone and said once each", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const app = await world.app([quick]);
  using unknown = noteEvents("etask:task:kind-unknown");
  const strange = await app.enqueue("strange", 1, { priority: 9 });
  const worker = app.createWorker();
  await worker.start();
  const known = await quick.delay({ n: 1 });
  expect(await world.drive(known.result())).toBe(1);
  await world.clock.advance(200_000);
  expect(unknown.seen).toEqual([{ id: strange.id, name: "strange", worker: worker.id }]);
  expect(await strange.state()).toMatchObject({ state: "pending", attempt: 0 });
});

test("worker: what it knows is found behind 1,000 tasks that nobody knows, before and after", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("quick");
  const producer = await world.app();
  const strangers = async (count: number) => {
    const all = Array.from({ length: count }, (_, n) =>
      producer.enqueue("strange", n, { priority: 9 }),
    );
    await Promise.all(all);
  };
  await strangers(1_000);
  const early = await producer.enqueue("quick", { n: 1 });
  const app = await world.app([quick]);
  await app.createWorker().start();
  expect(await world.drive(early.result({ timeout: "5s" }))).toBe(1);
  await strangers(1_000);
  const late = await producer.enqueue("quick", { n: 2 });
  expect(await world.drive(late.result({ timeout: "5s" }))).toBe(2);
});

test("worker: two that know different kinds of one queue both find their own in all shards", async () => {
  await using world = createWorld();
  const [disk, mail] = [defineHeldTask<number>("disk"), defineQuickTask("mail")];
  const producer = await world.app();
  const disks = Array.from({ length: 400 }, (_, n) => producer.enqueue("disk", n));
  const mails = Array.from({ length: 100 }, (_, n) => producer.enqueue("mail", { n }));
  const handles = (await Promise.all([...disks, ...mails])).slice(400);
  // The one that knows disks is busy for good: it takes nothing that would clear the way.
  await (await world.app([disk.task])).createWorker({ concurrency: 1 }).start();
  await world.until(() => disk.calls.length === 1);
  await (await world.app([mail])).createWorker().start();
  const results = Promise.all(handles.map((handle) => handle.result({ timeout: "10s" })));
  expect(await world.drive(results)).toEqual(Array.from({ length: 100 }, (_, n) => n));
});

test("worker: shares the shards with others of its kind, so that few takes are lost", async () => {
  await using world = createWorld();
  const counts = new Map<string, number>();
  const apps = await Promise.all(
    ["a", "b"].map((name) => {
      const task = defineTask({
        name: "t",
        run: (_n: number) => {
          counts.set(name, (counts.get(name) ?? 0) + 1);
        },
      });
      return world.app([task]);
    }),
  );
  for (const app of apps) await app.createWorker({ concurrency: 5 }).start();
  await world.clock.settle();
  const inputs = Array.from({ length: 400 }, (_, n) => n);
  const handles = await Promise.all(inputs.map((n) => apps[0]?.enqueue("t", n)));
  await world.drive(Promise.all(handles.map((handle) => handle?.result())));
  expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(400);
  expect(Math.min(...counts.values())).toBeGreaterThan(40);
});

test("worker: an idle one steals from the shards of one that is full", async () => {
  await using world = createWorld();
  const held = defineHeldTask<number>("t");
  const quick = defineTask({ name: "t", run: (n: number) => n });
  await (await world.app([held.task])).createWorker({ concurrency: 2 }).start();
  await (await world.app([quick])).createWorker({ concurrency: 4 }).start();
  await world.clock.settle();
  const producer = await world.app();
  const inputs = Array.from({ length: 200 }, (_, n) => n);
  const handles = await Promise.all(inputs.map((n) => producer.enqueue("t", n)));
  await world.until(async () => {
    const { tasks } = await producer.backend.list({ state: "succeeded", limit: 1_000 });
    return tasks.length === 198;
  });
  expect(held.calls).toHaveLength(2);
  for (const { end, input } of held.calls) end.resolve(input);
  expect(await world.drive(Promise.all(handles.map((h) => h.result())))).toEqual(inputs);
});

test("worker: stealing passes what stands at the head of a shard and is known to nobody", async () => {
  await using world = createWorld();
  const held = defineHeldTask<number>("t");
  const quick = defineTask({ name: "t", run: (n: number) => n });
  await (await world.app([held.task])).createWorker({ concurrency: 1 }).start();
  await (await world.app([quick])).createWorker({ concurrency: 1 }).start();
  const producer = await world.app();
  await Promise.all(
    Array.from({ length: 1_200 }, (_, n) => producer.enqueue("strange", n, { priority: 9 })),
  );
  const handles = await Promise.all(Array.from({ length: 40 }, (_, n) => producer.enqueue("t", n)));
  await world.until(async () => {
    return (await producer.backend.list({ state: "succeeded" })).tasks.length === 39;
  });
  held.calls[0]?.end.resolve(0);
  await world.drive(Promise.all(handles.map((handle) => handle.result())));
});

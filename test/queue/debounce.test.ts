import fc from "fast-check";
import { expect, test } from "vitest";
import { HistoryCheck } from "../../sim/oracle/history-check.ts";
import { parseTaskKey, tasksRange } from "../../src/task/keyspace.ts";
import { defineTask } from "../../src/task/task.ts";
import { defineHeldTask } from "./support/tasks.ts";
import { createWorld, type World } from "./support/world.ts";

const WAIT = { debounce: { key: "a", wait: "10s", maxWait: "25s" } };

/** Seconds since the world began. */
function clockOf({ clock }: World): () => number {
  const startedAt = clock.now();
  return () => (clock.now() - startedAt) / 1_000;
}

async function bundle(options: object = {}) {
  const world = createWorld();
  const seconds = clockOf(world);
  const runs: [number, unknown][] = [];
  const index = defineTask({
    name: "index",
    ...options,
    run: (input: number) => {
      runs.push([Math.floor(seconds()), input]);
    },
  });
  const app = await world.app([index]);
  await app.createWorker({ concurrency: 10 }).start();
  return { world, app, index, runs, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

test("row 24: debounce runs once after the last call, with its input, and says what each call did", async () => {
  await using all = await bundle();
  const { world, index, runs } = all;
  const first = await index.delay(1, WAIT);
  await world.clock.advance(6_000);
  const second = await index.delay(2, WAIT);
  await world.clock.advance(6_000);
  const third = await index.delay(3, WAIT);
  expect([first, second, third].map(({ enqueued }) => enqueued)).toEqual([
    "created",
    "replaced",
    "replaced",
  ]);
  expect(second).toMatchObject({ id: first.id, created: false });
  expect(await first.state()).toMatchObject({ input: 3, state: "scheduled" });
  await world.drive(third.result());
  expect(runs).toEqual([[22, 3]]);
});

test("row 24: debounce never starves: after maxWait it runs, however often it is called", async () => {
  await using all = await bundle();
  const { world, index, runs } = all;
  for (let n = 0; n < 30; n += 1) {
    await index.delay(n, WAIT);
    await world.clock.advance(2_000);
  }
  await world.clock.advance(30_000);
  // The first task by 25 s after its call, the next one 25 s after that call, the last by itself.
  expect(runs.map(([at]) => at)).toEqual([25, 51, 68]);
  expect(runs.map(([, input]) => input)).toEqual([12, 25, 29]);
});

test("row 24: without maxWait a debounce waits ten times its wait at most", async () => {
  await using all = await bundle();
  const { world, index, runs } = all;
  const handle = await index.delay(0, { debounce: { key: "a", wait: "1s" } });
  expect((await handle.state()).debounce?.latestAt.getTime()).toBe(world.clock.now() + 10_000);
  for (let n = 1; n < 25; n += 1) {
    await world.clock.advance(500);
    await index.delay(n, { debounce: { key: "a", wait: "1s" } });
  }
  expect(runs.map(([at]) => at)).toEqual([10]);
});

test('row 24: with payload "first" no input is replaced, and none vanishes unsaid', async () => {
  await using all = await bundle();
  const { world, index, runs } = all;
  const first = await index.delay(1, WAIT);
  const kept = { debounce: { ...WAIT.debounce, payload: "first" as const } };
  expect(await index.delay(2, kept)).toMatchObject({ id: first.id, enqueued: "joined" });
  expect((await first.state()).input).toBe(1);
  await world.drive(first.result());
  expect(runs.map(([, input]) => input)).toEqual([1]);
});

test("row 24: a call that comes when the task has started creates a new one", async () => {
  await using world = createWorld();
  const held = defineHeldTask<number>("index");
  const app = await world.app([held.task]);
  await app.createWorker({ concurrency: 2 }).start();
  const first = await held.task.delay(1, WAIT);
  await world.until(() => held.calls.length === 1);
  const second = await held.task.delay(2, WAIT);
  expect(second).toMatchObject({ created: true });
  expect(second.id).not.toBe(first.id);
  expect(await held.task.delay(3, WAIT)).toMatchObject({ id: second.id, enqueued: "replaced" });
  await world.until(() => held.calls.length === 2);
  expect(held.calls.map(({ input }) => input)).toEqual([1, 3]);
  for (const { end } of held.calls) end.resolve(undefined);
});

test("debounce: one that has failed and waits for its next attempt has started", async () => {
  await using world = createWorld();
  const index = defineTask({
    name: "index",
    retry: { attempts: 2, backoff: "constant", delay: "1m" },
    run: (_input: number, { attempt }) => {
      if (attempt === 1) throw new Error("once more");
    },
  });
  const app = await world.app([index]);
  await app.createWorker().start();
  const failing = await index.delay(1, WAIT);
  await world.clock.advance(11_000);
  expect(await failing.state()).toMatchObject({ state: "scheduled", attempt: 1 });
  expect(await index.delay(2, WAIT)).toMatchObject({ created: true });
  expect(await world.drive(failing.settle())).toMatchObject({ state: "succeeded" });
});

test("debounce: one that was given back has not started; one that was made anew has", async () => {
  await using world = createWorld();
  const app = await world.app();
  app.createBeat().start();
  const first = await app.enqueue("index", 1, WAIT);
  await world.clock.advance(11_000);
  await (await app.broker.dequeue(first.id))?.release();
  expect(await app.enqueue("index", 2, WAIT)).toMatchObject({ id: first.id });
  await first.cancel();
  await first.retry();
  expect(await app.enqueue("index", 3, WAIT)).toMatchObject({ created: true });
});

test("debounce: one that nobody has started yet is moved, though it was due", async () => {
  await using world = createWorld();
  const app = await world.app();
  app.createBeat().start();
  const first = await app.enqueue("index", 1, WAIT);
  await world.clock.advance(12_000);
  expect((await first.state()).state).toBe("pending");
  expect(await app.enqueue("index", 2, WAIT)).toMatchObject({ id: first.id });
  expect(await first.state()).toMatchObject({ state: "scheduled", input: 2 });
  await world.clock.advance(60_000);
  // Its longest wait is over: it stays ready.
  expect(await app.enqueue("index", 3, WAIT)).toMatchObject({ id: first.id });
  expect(await first.state()).toMatchObject({ state: "pending", input: 3 });
});

test("debounce: the times by which it must start and end move along", async () => {
  await using world = createWorld();
  const app = await world.app();
  const options = { ...WAIT, expiresIn: "15s", totalTimeout: "1m" };
  const first = await app.enqueue("index", 1, options);
  await world.clock.advance(4_000);
  await app.enqueue("index", 2, options);
  const now = world.clock.now();
  const { dueAt, expiresAt, deadlineAt } = await first.state();
  expect(dueAt?.getTime()).toBe(now + 10_000);
  expect(expiresAt?.getTime()).toBe(now + 15_000);
  expect(deadlineAt?.getTime()).toBe(now + 70_000);
  app.createBeat().start();
  await world.clock.advance(14_000);
  expect((await first.state()).state).toBe("pending");
  await world.clock.advance(2_000);
  expect((await first.state()).state).toBe("expired");
  const { entries } = await world.store.range({ start: "deadline/", end: "deadline/~" });
  expect(entries.map(({ key }) => key).filter((key) => key.endsWith(first.id))).toHaveLength(1);
});

test("debounce: of a hundred producers that race one creates the task, and all inputs count", async () => {
  await using world = createWorld();
  const apps = await Promise.all(Array.from({ length: 5 }, () => world.app()));
  const racing = apps.flatMap((app, a) =>
    Array.from({ length: 20 }, (_, n) => app.enqueue("index", a * 100 + n, WAIT)),
  );
  const handles = await world.drive(Promise.all(racing));
  expect(handles.filter(({ created }) => created)).toHaveLength(1);
  expect(new Set(handles.map(({ id }) => id)).size).toBe(1);
  const view = await handles[0]?.state();
  expect(apps.map((_, a) => a * 100 + 19)).toContain(view?.input);
});

test("debounce: delayMany puts the calls of one key together, in order", async () => {
  await using all = await bundle();
  const { world, index, runs } = all;
  const handles = await world.drive(
    index.delayMany([1, 2, 3, 4, 5, 6], (n) => ({
      debounce: { key: `k${n % 2}`, wait: "5s" },
    })),
  );
  expect(handles.map(({ enqueued }) => enqueued)).toEqual([
    ...["created", "created"],
    ...["replaced", "replaced", "replaced", "replaced"],
  ]);
  await world.clock.advance(6_000);
  expect(runs.map(([, input]) => input).toSorted()).toEqual([5, 6]);
});

test("debounce: Beat removes the keys of tasks that wait no longer, and leaves nothing else", async () => {
  await using world = createWorld();
  const app = await world.app();
  app.createBeat().start();
  const keys = async () => {
    const { entries } = await world.store.range({ start: "debounce/", end: "debounce/~" });
    return entries.map(({ key }) => key);
  };
  const deadlines = async () => {
    const { entries } = await world.store.range({ start: "deadline/", end: "deadline/~" });
    return entries.length;
  };
  const first = await app.enqueue("index", 1, WAIT);
  await world.clock.advance(300_000);
  expect(await keys()).toEqual(["debounce/index/a"]);
  for (let n = 0; n < 5; n += 1) {
    const { id } = await app.enqueue("index", 2, WAIT);
    await world.clock.advance(20_000);
    expect(await app.broker.dequeue(id)).toBeDefined();
  }
  expect(await deadlines()).toBeLessThanOrEqual(5);
  await world.clock.advance(300_000);
  expect(await keys()).toEqual([]);
  expect(await deadlines()).toBe(0);
  expect((await first.state()).state).toBe("running");
});

test("property: calls at any times make the runs that a model of debouncing makes", async () => {
  const calls = fc.array(
    fc.record({ after: fc.integer({ min: 1, max: 12 }), first: fc.boolean() }),
    { minLength: 1, maxLength: 15 },
  );
  await fc.assert(
    fc.asyncProperty(calls, async (sequence) => {
      await using all = await bundle();
      const { world, index, runs } = all;
      const expected: [number, number][] = [];
      let open: { due: number; latest: number; input: number } | undefined;
      let now = 0;
      for (const [n, { after, first }] of sequence.entries()) {
        // Calls fall between the moments at which a task may be due.
        now += after;
        await world.clock.advance(after * 1_000 - (n === 0 ? 500 : 0));
        const at = now - 0.5;
        if (open && open.due < at) {
          expected.push([open.due, open.input]);
          open = undefined;
        }
        const payload = first ? ("first" as const) : ("last" as const);
        const handle = await index.delay(n, {
          debounce: { key: "a", wait: 5_250, maxWait: 13_125, payload },
        });
        expect(handle.created).toBe(open === undefined);
        const latest: number = open?.latest ?? at + 13.125;
        const input: number = open && first ? open.input : n;
        open = { due: Math.min(at + 5.25, latest), latest, input };
      }
      if (open) expected.push([open.due, open.input]);
      await world.clock.advance(20_000);
      expect(runs).toEqual(expected.map(([at, input]) => [Math.floor(at), input]));
      const check = new HistoryCheck();
      check.run(world.storage.log);
      expect(check.findings).toEqual([]);
      const { entries } = await world.store.range(tasksRange(""));
      const specs = entries.filter(({ key }) => parseTaskKey(key)?.part === "spec");
      expect(specs).toHaveLength(expected.length);
    }),
    { numRuns: 15 },
  );
});

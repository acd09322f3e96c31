import { expect, test } from "vitest";
import { runDeadlines } from "../../src/beat/deadlines.ts";
import { runPromoter } from "../../src/beat/promoter.ts";
import { prefixRange } from "../../src/store/range.ts";
import { defineTask, type TaskDefinition } from "../../src/task/task.ts";
import { createWorld, type World } from "./support/world.ts";

const HOUR_MS = 3_600_000;

/** A task that notes when it starts. */
function defineNoting(
  world: World,
  options: Partial<TaskDefinition<number, number, unknown>> = {},
) {
  const starts = new Map<number, number[]>();
  const task = defineTask<number, number>({
    name: "noting",
    ...options,
    run: (n) => {
      starts.set(n, [...(starts.get(n) ?? []), world.clock.now()]);
      return n;
    },
  });
  return { task, starts };
}

const keysUnder = async (world: World, prefix: string) =>
  (await world.store.range(prefixRange(prefix))).entries.map(({ key }) => key);

test("delayed: starts at its time, within a moment and never before", async () => {
  await using world = createWorld();
  const { task, starts } = defineNoting(world);
  await (await world.app([task])).createWorker().start();
  const dueAt = world.clock.now() + 12_345;
  const handles = [
    await task.delay(1, { in: 12_345 }),
    await task.delay(2, { at: new Date(dueAt) }),
    await task.delay(3, { at: new Date(dueAt).toISOString() }),
  ];
  expect(await handles[0]?.state()).toMatchObject({ state: "scheduled", dueAt: new Date(dueAt) });
  await world.drive(Promise.all(handles.map((handle) => handle.result())));
  for (const n of [1, 2, 3]) {
    const [at = 0] = starts.get(n) ?? [];
    expect(at).toBeGreaterThanOrEqual(dueAt);
    expect(at).toBeLessThanOrEqual(dueAt + 50);
  }
  expect(await handles[0]?.state()).toMatchObject({ state: "succeeded", dueAt: undefined });
});

test("delayed: one that is due sooner than everything known is not late", async () => {
  await using world = createWorld();
  const { task, starts } = defineNoting(world);
  await (await world.app([task])).createWorker().start();
  await task.delay(1, { in: "1h" });
  await world.clock.advance(5_123);
  const dueAt = world.clock.now() + 40;
  await world.drive((await task.delay(2, { in: 40 })).result());
  expect(starts.get(2)?.[0]).toBeGreaterThanOrEqual(dueAt);
  expect(starts.get(2)?.[0]).toBeLessThanOrEqual(dueAt + 10);
});

test("delayed: a time that has passed, or no delay at all, means now", async () => {
  await using world = createWorld();
  const { task } = defineNoting(world);
  await world.app([task]);
  const handles = [
    await task.delay(1, { at: "2001-01-01T00:00:00Z" }),
    await task.delay(2, { in: 0 }),
  ];
  for (const handle of handles) expect((await handle.state()).state).toBe("pending");
  expect(await keysUnder(world, "due/")).toEqual([]);
});

test("delayed: costs two entries while it waits, and promotion needs no read of the task", async () => {
  await using world = createWorld();
  const { task } = defineNoting(world);
  await world.app([task]);
  const { id } = await task.delay(1, { in: "1h" });
  expect(await keysUnder(world, `task/${id}`)).toEqual([`task/${id}#spec`]);
  expect(await keysUnder(world, "due/")).toHaveLength(1);
  expect(await keysUnder(world, "ready/")).toEqual([]);
});

test("delayed: an input too large for a copy is promoted all the same", async () => {
  await using world = createWorld();
  const task = defineTask({ name: "large", run: (text: string) => text.length });
  await (await world.app([task])).createWorker().start();
  const handle = await task.delay("x".repeat(50_000), { in: "1m" });
  expect(await world.drive(handle.result())).toBe(50_000);
});

test("delayed: a thousand tasks, several promoters at once: each starts once, none early", async () => {
  await using world = createWorld();
  const { task, starts } = defineNoting(world);
  await (await world.app([task])).createWorker({ concurrency: 50 }).start();
  const stop = new AbortController();
  const loops = Array.from({ length: 3 }, () =>
    runPromoter(world.storage.open(), world, stop.signal),
  );
  const begin = world.clock.now();
  const inputs = Array.from({ length: 1_000 }, (_, n) => n);
  const delayOf = (n: number) => 1_000 + ((n * 7_919) % 60_000);
  const handles = await task.delayMany(inputs, (n) => ({ in: delayOf(n) }));
  await world.drive(Promise.all(handles.map((handle) => handle.result())));
  stop.abort();
  await Promise.all(loops);
  for (const n of inputs) {
    expect(starts.get(n)).toHaveLength(1);
    expect(starts.get(n)?.[0]).toBeGreaterThanOrEqual(begin + delayOf(n));
  }
  expect(await keysUnder(world, "due/")).toEqual([]);
});

test("expiry: a task that nobody started in time has expired, and is never started", async () => {
  await using world = createWorld();
  const { task, starts } = defineNoting(world);
  const app = await world.app([task]);
  app.createBeat().start();
  const handle = await task.delay(1, { expiresIn: "1m" });
  const end = await world.drive(handle.settle());
  expect(end).toEqual({ state: "expired" });
  await app.createWorker().start();
  await world.clock.advance(HOUR_MS / 6);
  expect(starts.size).toBe(0);
  await expect(handle.result()).rejects.toMatchObject({ code: "TASK_EXPIRED" });
  expect(await keysUnder(world, "ready/")).toEqual([]);
  expect(await keysUnder(world, "deadline/")).toEqual([]);
});

test("expiry: a worker that comes too late starts nothing, though no Beat has looked yet", async () => {
  await using world = createWorld();
  const { task, starts } = defineNoting(world);
  const app = await world.app([task], { beat: false });
  const handle = await task.delay(1, { expiresIn: "1m" });
  await world.clock.advance(61_000);
  await app.createWorker().start();
  await world.clock.advance(5_000);
  expect(starts.size).toBe(0);
  app.createBeat().start();
  expect((await world.drive(handle.settle())).state).toBe("expired");
});

test("expiry: a delayed task expires while it waits for its time, or for a worker after it", async () => {
  await using world = createWorld();
  const { task } = defineNoting(world);
  (await world.app([task])).createBeat().start();
  const handle = await task.delay(1, { in: "30s", expiresIn: "1m" });
  await world.until(async () => (await handle.state()).state === "pending");
  expect(await world.drive(handle.settle())).toEqual({ state: "expired" });
});

test("expiry: a task that was started in time goes on", async () => {
  await using world = createWorld();
  const task = defineTask({
    name: "long",
    expiresIn: "10s",
    run: async (_input: undefined, { signal }) => world.clock.sleep(60_000, signal),
  });
  await (await world.app([task])).createWorker().start();
  const handle = await task.delay(undefined);
  expect((await world.drive(handle.settle())).state).toBe("succeeded");
});

test("total timeout: a task that waits for too long has failed", async () => {
  await using world = createWorld();
  const { task } = defineNoting(world, { totalTimeout: "1m" });
  (await world.app([task])).createBeat().start();
  const begin = world.clock.now();
  const handle = await task.delay(1, { in: "10s" });
  const end = await world.drive(handle.settle());
  expect(end).toMatchObject({ state: "failed", error: { code: "ATTEMPT_TIMEOUT" } });
  const view = await handle.state();
  expect(view.reason).toBe("total-timeout");
  expect(Number(view.finishedAt)).toBeGreaterThanOrEqual(begin + 70_000);
});

test("deadlines: two loops at once end each task once", async () => {
  await using world = createWorld();
  const { task } = defineNoting(world);
  await world.app([task]);
  const stop = new AbortController();
  const loops = [1, 2].map(() => runDeadlines(world.storage.open(), world, stop.signal));
  const inputs = Array.from({ length: 200 }, (_, n) => n);
  const handles = await task.delayMany(inputs, { expiresIn: "5s" });
  const ends = await world.drive(Promise.all(handles.map((handle) => handle.settle())));
  stop.abort();
  await Promise.all(loops);
  expect(ends.every(({ state }) => state === "expired")).toBe(true);
  for (const { id } of handles) {
    const events = world.storage.log.flatMap((batch) => batch.events);
    const written = events.filter(({ key }) => key === `task/${id}#state`);
    expect(written).toHaveLength(1);
  }
});

test.each([
  [{ in: -1 }, /in must be a duration/],
  [{ in: "11y" }, /in must be a duration/],
  [{ in: "4000d" }, /in must be a duration/],
  [{ at: "tomorrow" }, /at must be a Date or text in ISO 8601 with a zone/],
  [{ at: "2030-01-01T00:00:00" }, /with a zone/],
  [{ at: "2055-01-01T00:00:00Z" }, /at most 10 years from now/],
  [{ at: new Date("nonsense") }, /at must be a Date/],
  [{ in: "1m", at: "2031-01-01T00:00:00Z" }, /either in or at/],
  [{ in: "2m", expiresIn: "1m" }, /before it may start/],
  [{ expiresAt: "2001-01-01T00:00:00Z" }, /before it may start/],
  [{ expiresIn: "1m", expiresAt: "2031-01-01T00:00:00Z" }, /either expiresIn or expiresAt/],
  [{ timeout: {} }, /timeout needs soft, hard or both/],
  [{ timeout: { soft: "2m", hard: "1m" } }, /hard must not be less than/],
  [{ totalTimeout: "1ms" }, /totalTimeout must be a duration/],
])("bad input: %j is refused, and nothing is written", async (options, message) => {
  await using world = createWorld();
  const { task } = defineNoting(world);
  await world.app([task]);
  const before = world.storage.revision;
  const outcome = task.delay(1, options as never);
  await expect(outcome).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
  await expect(outcome).rejects.toThrow(message);
  expect(world.storage.revision).toBe(before);
});

test("row 2: a task delayed and run for a hundred times a lease is delivered once", async () => {
  await using world = createWorld();
  const runs: number[] = [];
  const task = defineTask({
    name: "long",
    retry: { attempts: 10 },
    run: async (ms: number) => {
      runs.push(ms);
      await world.clock.sleep(ms);
      return ms;
    },
  });
  for (let count = 0; count < 3; count += 1) {
    await (await world.app([task])).createWorker({ leaseTtl: "2s", concurrency: 4 }).start();
  }
  const handles = [
    await task.delay(1, { in: 200_000 }),
    await task.delay(200_000),
    await task.delay(200_001, { in: 200_000 }),
  ];
  expect(await world.drive(Promise.all(handles.map((handle) => handle.result())))).toEqual([
    1, 200_000, 200_001,
  ]);
  expect(runs.toSorted((a, b) => a - b)).toEqual([1, 200_000, 200_001]);
  for (const handle of handles) expect((await handle.state()).attempt).toBe(1);
});

import { expect, test } from "vitest";
import { z } from "zod";
import { Backend } from "../../src/backend/backend.ts";
import { prefixRange } from "../../src/store/range.ts";
import { defineTask } from "../../src/task/task.ts";
import { defineHeldTask } from "./support/tasks.ts";
import { createWorld, type World } from "./support/world.ts";

/** Fails by an error of the wanted name and code, until it is told to be well. */
function defineFragile() {
  const health = { well: false };
  const task = defineTask({
    name: "fragile",
    retention: "7d",
    run: (input: { error: string; code?: string }) => {
      if (health.well) return input.error;
      throw Object.assign(new Error("broken"), { name: input.error, code: input.code });
    },
  });
  return { task, health };
}

async function keysOf({ store }: World, prefix: string): Promise<string[]> {
  return (await store.range(prefixRange(prefix))).entries.map(({ key }) => key);
}

/** An app with a worker, and tasks that have failed there. */
async function withFailures(world: World, errors: readonly { error: string; code?: string }[]) {
  const { task, health } = defineFragile();
  const app = await world.app([task]);
  const worker = app.createWorker({ queues: ["default", "mail", "other"] });
  await worker.start();
  const handles = [];
  for (const [index, input] of errors.entries()) {
    const queue = index % 2 === 0 ? "default" : "mail";
    handles.push(await task.delay(input, { queue, idPrefix: `n${index}/` }));
  }
  await world.drive(Promise.all(handles.map((handle) => handle.settle())));
  return { app, task, health, handles, ids: handles.map(({ id }) => id), worker };
}

const MIXED = [
  { error: "TimeoutError" },
  { error: "TypeError", code: "E_TYPE" },
  { error: "TimeoutError" },
  { error: "TimeoutError" },
];

test("dead letters: are listed by queue, reason, error, name and prefix, without their tasks", async () => {
  await using world = createWorld();
  const { app, ids } = await withFailures(world, MIXED);
  const idsOf = async (filter: object) =>
    (await app.broker.deadLetters(filter)).letters.map(({ id }) => id);
  expect(await idsOf({})).toEqual([ids[0], ids[2], ids[1], ids[3]]);
  expect(await idsOf({ queue: "mail" })).toEqual([ids[1], ids[3]]);
  expect(await idsOf({ error: "TypeError" })).toEqual([ids[1]]);
  expect(await idsOf({ error: "E_TYPE" })).toEqual([ids[1]]);
  expect(await idsOf({ error: "TimeoutError", queue: "mail" })).toEqual([ids[3]]);
  expect(await idsOf({ prefix: "n2/" })).toEqual([ids[2]]);
  expect(await idsOf({ name: "other" })).toEqual([]);
  expect(await idsOf({ reason: "worker-lost" })).toEqual([]);
  const [first] = (await app.broker.deadLetters({ reason: "error", limit: 1 })).letters;
  expect(first).toEqual({
    id: ids[0],
    name: "fragile",
    queue: "default",
    reason: "error",
    attempt: 1,
    error: { name: "TimeoutError", message: "broken" },
    failedAt: expect.any(Date),
  });
});

test("dead letters: pages join without gap", async () => {
  await using world = createWorld();
  const { app, ids } = await withFailures(world, MIXED);
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await app.broker.deadLetters({ limit: 1, ...(cursor && { cursor }) });
    seen.push(...page.letters.map(({ id }) => id));
    cursor = page.cursor;
  } while (cursor !== undefined);
  expect(seen).toEqual([ids[0], ids[2], ids[1], ids[3]]);
  const strange = app.broker.deadLetters({ queue: "mail", cursor: "failed/other/x" });
  await expect(strange).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
});

test("retry: a failed task runs as a new generation with its attempts anew and its past kept", async () => {
  await using world = createWorld();
  const fails = { left: 3 };
  const task = defineTask({
    name: "twice",
    retry: { attempts: 2, delay: 0 },
    run: () => {
      fails.left -= 1;
      if (fails.left >= 0) throw new Error("broken");
      return "well";
    },
  });
  const app = await world.app([task]);
  await app.createWorker().start();
  const { id } = await task.delay();
  await world.drive(app.handle(id).settle());
  expect(await app.backend.get(id)).toMatchObject({ state: "failed", attempt: 2 });
  const receipt = await app.broker.retry(id);
  expect(receipt).toMatchObject({ id, generation: 2 });
  expect(await world.drive(app.handle(id).result())).toBe("well");
  const view = await app.backend.get(id);
  expect(view).toMatchObject({ state: "succeeded", attempt: 4, generation: 2, error: undefined });
  const outcomes = view?.attempts.map(({ attempt, outcome }) => [attempt, outcome]);
  expect(outcomes).toEqual([
    [1, "failed"],
    [2, "failed"],
    [3, "failed"],
    [4, "succeeded"],
  ]);
  expect(await keysOf(world, "failed/")).toEqual([]);
});

test("retry: however the task ended, and with another input, queue, priority and time", async () => {
  await using world = createWorld();
  const echo = defineTask({ name: "echo", run: (input: string) => input });
  const app = await world.app([echo]);
  await app.createWorker({ queues: ["default", "other"] }).start();
  const done = await echo.delay("a");
  expect(await world.drive(done.result())).toBe("a");
  await app.broker.retry(done.id, { input: "b", queue: "other", priority: 9, in: "1m" });
  expect(await app.backend.get(done.id)).toMatchObject({
    state: "scheduled",
    queue: "other",
    priority: 9,
    input: "b",
    result: undefined,
  });
  expect(await world.drive(app.handle(done.id).result())).toBe("b");

  const cancelled = await echo.delay("c", { in: "1h" });
  await app.broker.cancel(cancelled.id);
  await app.broker.retry(cancelled.id);
  expect(await world.drive(app.handle(cancelled.id).result())).toBe("c");

  const expired = await echo.delay("d", { queue: "nobody", expiresIn: "2s" });
  await world.until(async () => (await app.backend.get(expired.id))?.state === "expired");
  await app.broker.retry(expired.id, { queue: "default" });
  expect(await world.drive(app.handle(expired.id).result())).toBe("d");
});

test("retry: the total timeout begins anew, the time to be started is gone", async () => {
  await using world = createWorld();
  const { task } = defineFragile();
  const app = await world.app([task]);
  const options = { totalTimeout: "1h", expiresIn: "1h" };
  const { id } = await task.delay({ error: "E" }, options);
  await app.broker.cancel(id);
  await world.clock.advance(7_200_000);
  const now = world.clock.now();
  await app.broker.retry(id, { in: "10m" });
  const view = await app.backend.get(id);
  expect(view?.expiresAt).toBeUndefined();
  expect(view?.deadlineAt).toEqual(new Date(now + 4_200_000));
});

test("retry: whoever waits sees the next end, not the old one", async () => {
  await using world = createWorld();
  const { app, health, ids } = await withFailures(world, [{ error: "E" }]);
  const { clock, random } = world;
  const backend = new Backend(app.store, { clock, random }, app.broker);
  const old = backend.handle({ id: ids[0] ?? "", revision: 0, created: false });
  await expect(old.result()).rejects.toMatchObject({ code: "TASK_FAILED" });
  health.well = true;
  const next = await old.retry();
  expect(next.revision).toBeGreaterThan(0);
  const results = Promise.all([next.result(), old.result(), app.handle(next.id).result()]);
  expect(await world.drive(results)).toEqual(["E", "E", "E"]);
  await backend.close();
});

test("retry: of two at once one makes the new generation", async () => {
  await using world = createWorld();
  const { app, ids, worker } = await withFailures(world, [{ error: "E" }]);
  await world.drive(worker.stop());
  const other = await world.app();
  const outcomes = await Promise.allSettled(
    [app, other].map(({ broker }) => broker.retry(ids[0] ?? "")),
  );
  const codes = outcomes.map((each) =>
    each.status === "fulfilled" ? "retried" : (each.reason as { code: string }).code,
  );
  expect(codes.sort()).toEqual(["TASK_NOT_ENDED", "retried"]);
  expect(await keysOf(world, "ready/")).toHaveLength(1);
});

test("retry: what is not allowed is refused, and the store is unchanged", async () => {
  await using world = createWorld();
  const held = defineHeldTask("held");
  const sum = defineTask({ name: "sum", input: z.array(z.number()), run: () => 0 });
  const app = await world.app([held.task, sum], { beat: false });
  await app.createWorker().start();
  const running = await held.task.delay();
  await world.until(() => held.running() === 1);
  const waiting = await held.task.delay(undefined, { queue: "nobody" });
  const ended = await sum.delay([1], { queue: "nobody" });
  await app.broker.cancel(ended.id);
  await world.clock.settle();
  const { revision } = world.storage;
  for (const { id } of [running, waiting]) {
    await expect(app.broker.retry(id)).rejects.toMatchObject({ code: "TASK_NOT_ENDED" });
  }
  await expect(app.broker.retry("nobody")).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
  const refused = [
    [{ input: ["a"] }, "INVALID_INPUT"],
    [{ queue: "a/b" }, "INVALID_OPTIONS"],
    [{ priority: 10 }, "INVALID_OPTIONS"],
    [{ in: "1m", at: new Date() }, "INVALID_OPTIONS"],
    [{ in: -1 }, "INVALID_OPTIONS"],
    [{ attempts: 3 } as object, "INVALID_OPTIONS"],
  ] as const;
  for (const [options, code] of refused) {
    await expect(app.broker.retry(ended.id, options)).rejects.toMatchObject({ code });
  }
  expect(world.storage.revision).toBe(revision);
});

test("retryMany: retries what fits, once each, and says what was skipped", async () => {
  await using world = createWorld();
  const { app, health, ids } = await withFailures(world, MIXED);
  const dry = await app.broker.retryMany({ error: "TimeoutError", dryRun: true });
  expect(dry).toEqual({ retried: 3, skipped: 0, ids: [ids[0], ids[2], ids[3]], more: false });
  expect(await keysOf(world, "failed/")).toHaveLength(4);
  health.well = true;
  const first = await app.broker.retryMany({ error: "TimeoutError", limit: 2 });
  expect(first).toEqual({ retried: 2, skipped: 0, ids: [ids[0], ids[2]], more: true });
  const rest = await app.broker.retryMany({ change: { queue: "other", input: { error: "new" } } });
  expect(rest.ids).toEqual([ids[1], ids[3]]);
  const results = await world.drive(Promise.all(ids.map((id) => app.handle(id).result())));
  expect(results).toEqual(["TimeoutError", "new", "TimeoutError", "new"]);
  expect(await keysOf(world, "failed/")).toEqual([]);
});

test("retryMany: any number of calls at once retry each task once, also while they fail again", async () => {
  await using world = createWorld();
  const errors = Array.from({ length: 40 }, () => ({ error: "E" }));
  const { app, ids } = await withFailures(world, errors);
  const others = await Promise.all([world.app(), world.app()]);
  const calls = [app, ...others].map(({ broker }) => broker.retryMany());
  const reports = await world.drive(Promise.all(calls));
  const retried = reports.reduce((sum, report) => sum + report.retried, 0);
  await world.drive(Promise.all(ids.map((id) => app.handle(id).settle())));
  let generations = 0;
  for (const id of ids) generations += ((await app.backend.get(id))?.generation ?? 0) - 1;
  expect(retried).toBeGreaterThanOrEqual(40);
  expect(generations).toBe(retried);
  for (const report of reports) expect(new Set(report.ids).size).toBe(report.ids.length);
});

import { expect, test } from "vitest";
import { prefixRange } from "../../src/store/range.ts";
import { LOG_LINE_LENGTH_MAX } from "../../src/task/log.ts";
import { LOG_SLOTS, logRange } from "../../src/task/log-keys.ts";
import { snooze } from "../../src/task/outcome.ts";
import { defineTask, type TaskDefinition } from "../../src/task/task.ts";

import { dropSessions } from "./support/sessions.ts";
import { TroubledStore } from "./support/troubled-store.ts";
import { createWorld, type World } from "./support/world.ts";

async function runLogging(
  world: World,
  run: TaskDefinition<undefined, unknown, unknown>["run"],
  options: Partial<TaskDefinition<undefined, unknown, unknown>> = {},
) {
  const task = defineTask<undefined, unknown>({ name: "t", ...options, run });
  const app = await world.app([task]);
  await app.createWorker().start();
  return { app, handle: await task.delay(undefined) };
}

const texts = (lines: readonly { text: string }[]) => lines.map(({ text }) => text);

test("log: lines are kept with the task, numbered, with their time and attempt", async () => {
  await using world = createWorld();
  const { handle, app } = await runLogging(world, async (_input, ctx) => {
    ctx.log("one\ntwo\r\nthree\n");
    ctx.log("");
  });
  const at = world.clock.now();
  await world.drive(handle.result());
  const { lines, dropped } = await handle.log();
  expect(texts(lines)).toEqual(["one", "two", "three", ""]);
  expect(lines.map(({ line, attempt }) => [line, attempt])).toEqual([
    [0, 1],
    [1, 1],
    [2, 1],
    [3, 1],
  ]);
  expect(lines[0]?.at.getTime()).toBeGreaterThanOrEqual(at);
  expect(dropped).toBe(0);
  expect(texts((await app.backend.log(handle.id, { after: 1 })).lines)).toEqual(["three", ""]);
});

test("log: goes on through retries and pauses where it was", async () => {
  await using world = createWorld();
  let calls = 0;
  const run = (_input: undefined, ctx: { log(text: string): void; attempt: number }) => {
    calls += 1;
    ctx.log(`call ${calls}`);
    if (calls === 1) throw new Error("once more");
    return calls === 2 ? snooze("1m") : "done";
  };
  const { handle } = await runLogging(world, run, { retry: { attempts: 2, delay: "1s" } });
  await world.drive(handle.result());
  const { lines, dropped } = await handle.log();
  expect(lines.map(({ line, attempt, text }) => [line, attempt, text])).toEqual([
    [0, 1, "call 1"],
    [1, 2, "call 2"],
    [2, 2, "call 3"],
  ]);
  expect(dropped).toBe(0);
});

test("log: an attempt that is read while it runs shows what was logged half a second ago", async () => {
  await using world = createWorld();
  const { handle } = await runLogging(world, async (_input, ctx) => {
    ctx.log("begun");
    await world.clock.sleep(10_000, ctx.signal);
  });
  await world.until(async () => (await handle.log()).lines.length > 0);
  expect((await handle.state()).state).toBe("running");
  expect(texts((await handle.log()).lines)).toEqual(["begun"]);
});

test("log: the newest lines stay, in a bounded number of bounded entries", async () => {
  await using world = createWorld();
  const count = 20_000;
  const { handle } = await runLogging(world, async (_input, ctx) => {
    for (let n = 0; n < count; n += 1) {
      ctx.log(`line ${n} ${"x".repeat(50)}`);
      if (n % 1_000 === 0) await world.clock.sleep(1_000);
    }
  });
  await world.drive(handle.result());
  const { entries } = await world.store.range(logRange(handle.id));
  expect(entries.length).toBe(LOG_SLOTS);
  for (const { value } of entries) expect(value.byteLength).toBeLessThan(50_000);
  const { lines, dropped } = await handle.log();
  expect(lines.at(-1)?.line).toBe(count - 1);
  expect(dropped).toBe(lines[0]?.line);
  expect(lines.length).toBeGreaterThan(1_000);
  expect(lines.map(({ line }) => line)).toEqual(lines.map((_, index) => dropped + index));
});

test("log: a long line is cut and marked; what is no text is refused", async () => {
  await using world = createWorld();
  const { handle } = await runLogging(world, async (_input, ctx) => {
    ctx.log("x".repeat(LOG_LINE_LENGTH_MAX + 1));
    ctx.log(7 as never);
  });
  const end = await world.drive(handle.settle());
  expect(end).toMatchObject({ state: "failed", error: { code: "INVALID_OPTIONS" } });
  const [line] = (await handle.log()).lines;
  expect(line?.text.length).toBe(LOG_LINE_LENGTH_MAX);
  expect(line?.text.endsWith("x…")).toBe(true);
});

test("log: is no concern of a handler while the store is away, and is written later", async () => {
  await using world = createWorld();
  const troubled = new TroubledStore(world.storage.open());
  const task = defineTask({
    name: "t",
    run: async (_input: undefined, ctx) => {
      troubled.away = true;
      ctx.log("away");
      await world.clock.sleep(2_000);
      troubled.away = false;
      return "done";
    },
  });
  await (await world.app([task], { decorate: () => troubled })).createWorker().start();
  const handle = await task.delay(undefined);
  await world.drive(handle.result());
  expect(texts((await handle.log()).lines)).toEqual(["away"]);
});

test("log: goes when its task goes, swept or removed", async () => {
  await using world = createWorld();
  const run = async (_input: undefined, ctx: { log(text: string): void }) => ctx.log("bye");
  const { handle, app } = await runLogging(world, run, { retention: "1m" });
  await world.drive(handle.result());
  await world.until(async () => (await app.backend.get(handle.id)) === undefined);
  expect((await world.store.range(prefixRange("log/"))).entries).toEqual([]);
  const second = await app.enqueue("t");
  await world.drive(second.result());
  expect((await second.log()).lines.length).toBe(1);
  await app.backend.remove(second.id);
  expect((await world.store.range(prefixRange("log/"))).entries).toEqual([]);
});

test("log: following shows what is there and what comes, until the task has ended", async () => {
  await using world = createWorld();
  const { handle, app } = await runLogging(world, async (_input, ctx) => {
    for (let n = 0; n < 5; n += 1) {
      ctx.log(`step ${n}`);
      await world.clock.sleep(1_000);
    }
    ctx.log("last");
  });
  const seen: string[] = [];
  const follow = async () => {
    for await (const { text } of app.backend.followLog(handle.id)) seen.push(text);
  };
  await world.drive(follow());
  expect(seen).toEqual(["step 0", "step 1", "step 2", "step 3", "step 4", "last"]);
});

test("log: following ends when its signal aborts, while the task goes on", async () => {
  await using world = createWorld();
  const stop = new AbortController();
  const { handle, app } = await runLogging(world, async (_input, ctx) => {
    ctx.log("begun");
    await world.clock.sleep(600_000, ctx.signal);
  });
  const follow = async () => {
    for await (const _line of app.backend.followLog(handle.id, { signal: stop.signal })) {
      stop.abort();
    }
  };
  await world.drive(follow());
  expect((await handle.state()).state).toBe("running");
});

test("log: what a vanished worker logged stays, the next attempt goes on behind it", async () => {
  await using world = createWorld();
  let calls = 0;
  const task = defineTask({
    name: "t",
    run: async (_input: undefined, ctx) => {
      calls += 1;
      ctx.log(`call ${calls}`);
      if (calls === 1) await world.clock.sleep(600_000, ctx.signal);
      return "done";
    },
  });
  const first = (await world.app([task])).createWorker();
  await first.start();
  const handle = await task.delay(undefined);
  await world.until(async () => (await handle.log()).lines.length > 0);
  await (await world.app([task])).createWorker().start();
  await dropSessions(world, first.id);
  await world.drive(handle.result());
  expect((await handle.log()).lines.map(({ line, text }) => [line, text])).toEqual([
    [0, "call 1"],
    [1, "call 2"],
  ]);
});

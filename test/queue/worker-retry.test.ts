import { expect, test } from "vitest";
import { z } from "zod";
import { prefixRange } from "../../src/store/range.ts";
import { dueRange } from "../../src/task/keyspace.ts";
import { defineTask, type TaskDefinition } from "../../src/task/task.ts";
import { createWorld, type World } from "./support/world.ts";

interface Start {
  readonly attempt: number;
  readonly at: number;
}

/** A task that fails so many times, and when its attempts started. */
function defineFailing(
  world: World,
  failures: number,
  options: Partial<TaskDefinition<void, string, unknown>> = {},
) {
  const starts: Start[] = [];
  const task = defineTask<void, string>({
    name: "fails",
    ...options,
    run: (_input, { attempt }) => {
      starts.push({ attempt, at: world.clock.now() });
      if (starts.length <= failures) throw new Error(`failure ${starts.length}`);
      return "done";
    },
  });
  return { task, starts };
}

const pauses = (starts: readonly Start[]) =>
  starts.slice(1).map(({ at }, index) => at - (starts[index]?.at ?? 0));

test("retry: without a policy a failure is the end", async () => {
  await using world = createWorld();
  const { task, starts } = defineFailing(world, 1);
  await (await world.app([task])).createWorker().start();
  const end = await world.drive((await task.delay()).settle());
  expect(end).toMatchObject({ state: "failed", error: { message: "failure 1" } });
  expect(starts).toHaveLength(1);
});

test("retry: immediate goes to the end of the queue, until it succeeds", async () => {
  await using world = createWorld();
  const { task, starts } = defineFailing(world, 3, {
    retry: { attempts: 4, backoff: "immediate" },
  });
  await (await world.app([task])).createWorker({ concurrency: 1 }).start();
  const handle = await task.delay();
  expect(await world.drive(handle.result())).toBe("done");
  expect(starts.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4]);
  const view = await handle.state();
  expect(view).toMatchObject({ state: "succeeded", attempt: 4, error: undefined });
});

test("retry: the last failure is what is recorded when the attempts are used up", async () => {
  await using world = createWorld();
  const { task, starts } = defineFailing(world, 99, {
    retry: { attempts: 3, backoff: "immediate" },
  });
  await (await world.app([task])).createWorker().start();
  const end = await world.drive((await task.delay()).settle());
  expect(end).toMatchObject({ state: "failed", error: { message: "failure 3" } });
  expect(starts).toHaveLength(3);
});

test("retry: constant waits its pause and not less, and shows when it goes on", async () => {
  await using world = createWorld();
  const { task, starts } = defineFailing(world, 2, {
    retry: { attempts: 3, backoff: "constant", delay: "10s" },
  });
  await (await world.app([task])).createWorker().start();
  const handle = await task.delay();
  await world.until(async () => (await handle.state()).state === "scheduled");
  expect(await handle.state()).toMatchObject({
    attempt: 1,
    error: { message: "failure 1" },
    dueAt: new Date((starts[0]?.at ?? 0) + 10_000),
  });
  await world.drive(handle.result());
  for (const pause of pauses(starts)) {
    expect(pause).toBeGreaterThanOrEqual(10_000);
    expect(pause).toBeLessThan(10_100);
  }
  expect((await handle.state()).dueAt).toBeUndefined();
  const { entries } = await world.store.range(prefixRange("due/"));
  expect(entries).toEqual([]);
});

test("retry: exponential doubles its pauses up to the longest", async () => {
  await using world = createWorld();
  const { task, starts } = defineFailing(world, 5, {
    retry: { attempts: 6, delay: "1s", max: "5s" },
  });
  await (await world.app([task])).createWorker().start();
  await world.drive((await task.delay()).result());
  for (const [index, full] of [1_000, 2_000, 4_000, 5_000, 5_000].entries()) {
    const pause = pauses(starts)[index] ?? 0;
    expect(pause).toBeGreaterThanOrEqual(full / 2);
    expect(pause).toBeLessThan(full + 100);
  }
});

test("retry: an enqueue's policy goes before the definition's", async () => {
  await using world = createWorld();
  const { task, starts } = defineFailing(world, 99, { retry: { attempts: 5 } });
  await (await world.app([task])).createWorker().start();
  await world.drive((await task.delay(undefined, { retry: { attempts: 1 } })).settle());
  expect(starts).toHaveLength(1);
});

test("retry: the policy is the task's, whoever enqueued it without knowing it", async () => {
  await using world = createWorld();
  const { task, starts } = defineFailing(world, 1, {
    retry: { attempts: 2, backoff: "immediate" },
  });
  await (await world.app([task])).createWorker().start();
  const handle = await (await world.app()).enqueue("fails");
  expect(await world.drive(handle.result())).toBe("done");
  expect(starts).toHaveLength(2);
});

test.each([
  ["an input that does not fit", { input: "seven" }, "INVALID_INPUT"],
  ["a result that is no JSON", { result: 1n }, "NOT_JSON"],
  ["a result with a cycle", { result: cycle() }, "NOT_JSON"],
  ["a result that is too large", { result: "x".repeat(2_000) }, "PAYLOAD_TOO_LARGE"],
])("retry: %s is final", async (_what, given: { input?: unknown; result?: unknown }, code) => {
  await using world = createWorld();
  let calls = 0;
  const task = defineTask({
    name: "t",
    input: z.number(),
    retry: { attempts: 5, backoff: "immediate" },
    run: () => {
      calls += 1;
      return given.result;
    },
  });
  await (await world.app([task], { payloadBytesMax: 1_000 })).createWorker().start();
  const handle = await (await world.app()).enqueue("t", given.input ?? 7);
  const end = await world.drive(handle.settle());
  expect(end).toMatchObject({ state: "failed", error: { code } });
  expect(calls).toBe("input" in given ? 0 : 1);
});

function cycle(): object {
  const value: { self?: unknown } = {};
  value.self = value;
  return value;
}

test("retry: whatever a handler throws is an end that the store can hold", async () => {
  await using world = createWorld();
  const refuse = () => {
    throw new Error("hands off");
  };
  const thrown = [
    undefined,
    null,
    Symbol("s"),
    new Proxy(new Error("x"), { get: refuse, getPrototypeOf: refuse }),
    { toJSON: () => undefined },
    new Error("\ufffd".repeat(10_000)),
  ];
  const task = defineTask({
    name: "throws",
    run: (index: number) => {
      throw thrown[index];
    },
  });
  await (await world.app([task])).createWorker().start();
  const handles = await task.delayMany(thrown.map((_each, index) => index));
  const ends = await world.drive(Promise.all(handles.map((handle) => handle.settle())));
  expect(ends.map(({ state }) => state)).toEqual(thrown.map(() => "failed"));
  for (const handle of handles) expect((await handle.state()).state).toBe("failed");
});

test("retry: hundreds of tasks with large failures are promoted all", async () => {
  await using world = createWorld();
  const failed = new Set<string>();
  const task = defineTask({
    name: "large",
    retry: { attempts: 2, backoff: "constant", delay: "5s" },
    run: (_n: number, { id }) => {
      if (failed.has(id)) return;
      failed.add(id);
      const cause = new Error("c".repeat(20_000), { cause: new Error("d".repeat(20_000)) });
      throw new Error("m".repeat(20_000), { cause });
    },
  });
  await (await world.app([task])).createWorker({ concurrency: 200 }).start();
  const handles = await task.delayMany(Array.from({ length: 200 }, (_, n) => n));
  const ends = await world.drive(
    Promise.all(handles.map((handle) => handle.settle({ timeout: "1m" }))),
  );
  expect(ends.every(({ state }) => state === "succeeded")).toBe(true);
});

test("retry: never earlier than its time, with several promoters at once", async () => {
  await using world = createWorld();
  const { task, starts } = defineFailing(world, 3, {
    retry: { attempts: 4, backoff: "constant", delay: 7_777 },
  });
  for (let count = 0; count < 3; count += 1) {
    const copy = defineTask({ name: "other", run: () => {} });
    await (await world.app([copy])).createWorker().start();
  }
  await (await world.app([task])).createWorker().start();
  await world.drive((await task.delay()).result());
  expect(starts.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4]);
  expect(Math.min(...pauses(starts))).toBeGreaterThanOrEqual(7_777);
  expect((await world.store.range(dueRange(world.clock.now()))).entries).toEqual([]);
});

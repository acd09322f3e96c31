import { expect, test } from "vitest";
import { FinalError } from "../../src/task/failure.ts";
import { retryAt, snooze } from "../../src/task/outcome.ts";
import { defineTask, type TaskDefinition } from "../../src/task/task.ts";
import { createWorld, type World } from "./support/world.ts";

/** A task whose handler is told by the test what to do at each call, and when it was called. */
function defineScripted(
  world: World,
  script: readonly (() => unknown)[],
  options: Partial<TaskDefinition<undefined, unknown, unknown>> = {},
) {
  const calls: { attempt: number; at: number }[] = [];
  const task = defineTask<undefined, unknown>({
    name: "scripted",
    ...options,
    run: async (_input, { attempt }) => {
      calls.push({ attempt, at: world.clock.now() });
      return script[Math.min(calls.length, script.length) - 1]?.();
    },
  });
  return { task, calls };
}

const boom = (message = "boom", name = "Error") => {
  const error = new Error(message);
  error.name = name;
  throw error;
};

async function run(world: World, scripted: ReturnType<typeof defineScripted>) {
  await (await world.app([scripted.task])).createWorker().start();
  const handle = await scripted.task.delay(undefined);
  const end = await world.drive(handle.settle());
  return { end, view: await handle.state() };
}

test("snooze: goes on after the pause, at the same attempt, as often as the handler likes", async () => {
  await using world = createWorld();
  const scripted = defineScripted(
    world,
    [() => snooze("1m"), () => snooze("1m"), () => snooze("1m"), () => "done"],
    { retry: { attempts: 1 } },
  );
  const { end, view } = await run(world, scripted);
  expect(end).toEqual({ state: "succeeded", result: "done" });
  expect(scripted.calls.map(({ attempt }) => attempt)).toEqual([1, 1, 1, 1]);
  const [first = { at: 0 }, second = { at: 0 }] = scripted.calls;
  expect(second.at - first.at).toBeGreaterThanOrEqual(60_000);
  expect(second.at - first.at).toBeLessThan(60_100);
  expect(view).toMatchObject({ attempt: 1, snoozed: 3 });
});

test("snooze: says what the task waits for while it waits", async () => {
  await using world = createWorld();
  const scripted = defineScripted(world, [() => snooze("1m", "no live agent"), () => "done"]);
  await (await world.app([scripted.task])).createWorker().start();
  const handle = await scripted.task.delay(undefined);
  await world.until(async () => (await handle.state()).state === "scheduled");
  expect(await handle.state()).toMatchObject({ waitsFor: "no live agent", snoozed: 1 });
  await world.drive(handle.result());
  expect((await handle.state()).waitsFor).toBeUndefined();
  expect(() => snooze("1m", "x".repeat(501))).toThrow("at most 500");
});

test("hints: an error that says it is final is not tried again, whatever its class", async () => {
  await using world = createWorld();
  const own = Object.assign(new Error("no such user"), { final: true });
  for (const error of [own, new FinalError("no such user")]) {
    const fail = () => {
      throw error;
    };
    const scripted = defineScripted(world, [fail], { name: "t", retry: { attempts: 5 } });
    const { end, view } = await run(world, scripted);
    expect(end).toMatchObject({ state: "failed", error: { message: "no such user" } });
    expect(view).toMatchObject({ attempt: 1, reason: "no-retry" });
  }
});

test("hints: retryAfterMs puts the next attempt off, never forward, and nonsense is ignored", async () => {
  await using world = createWorld();
  const failAfter = (retryAfterMs: unknown) => () => {
    throw Object.assign(new Error("busy"), { retryAfterMs });
  };
  const scripted = defineScripted(
    world,
    [failAfter(60_000), failAfter(1), failAfter("soon"), failAfter(Number.NaN), () => "done"],
    { retry: { attempts: 9, backoff: "constant", delay: "5s" } },
  );
  const { end } = await run(world, scripted);
  expect(end.state).toBe("succeeded");
  const pauses = scripted.calls.slice(1).map(({ at }, n) => at - (scripted.calls[n]?.at ?? 0));
  expect(pauses.map((pause) => Math.floor(pause / 1_000))).toEqual([60, 5, 5, 5]);
});

test("snooze: keeps the progress that was reported", async () => {
  await using world = createWorld();
  let calls = 0;
  const task = defineTask({
    name: "t",
    run: (_input: undefined, ctx) => {
      calls += 1;
      if (calls > 1) return "done";
      ctx.progress(40, "half-way");
      return snooze("1h");
    },
  });
  await (await world.app([task])).createWorker().start();
  const handle = await task.delay(undefined);
  await world.until(async () => (await handle.state()).state === "scheduled");
  expect((await handle.state()).progress).toMatchObject({ percent: 40, detail: "half-way" });
});

test("snooze: not beyond the task's own deadline", async () => {
  await using world = createWorld();
  const scripted = defineScripted(world, [() => snooze("1h")], { totalTimeout: "30m" });
  const { end, view } = await run(world, scripted);
  expect(end.state).toBe("failed");
  expect(view.reason).toBe("total-timeout");
});

test("retryAt: begins the next attempt when the handler says, and uses one up", async () => {
  await using world = createWorld();
  const at = new Date(world.clock.now() + 90_000);
  const scripted = defineScripted(world, [() => retryAt(at, "not open yet"), () => "done"], {
    retry: { attempts: 2, backoff: "immediate" },
  });
  const { end, view } = await run(world, scripted);
  expect(end.state).toBe("succeeded");
  expect(scripted.calls[1]?.attempt).toBe(2);
  expect(scripted.calls[1]?.at).toBeGreaterThanOrEqual(at.getTime());
  expect(view.attempts).toMatchObject([
    { attempt: 1, outcome: "failed", error: { name: "RetryAt", message: "not open yet" } },
    { attempt: 2, outcome: "succeeded" },
  ]);
});

test("retryAt: fails when the attempts are used up", async () => {
  await using world = createWorld();
  const scripted = defineScripted(world, [() => retryAt("1m", "still closed")]);
  const { end, view } = await run(world, scripted);
  expect(end).toMatchObject({ state: "failed", error: { message: "still closed" } });
  expect(view.reason).toBe("error");
});

test("noRetry: by class, name and code; retryIf has the first word", async () => {
  class Gone extends Error {}
  const coded = () => {
    throw Object.assign(new Error("coded"), { code: "E_GONE" });
  };
  const cases = [
    { noRetry: [Gone], fail: () => boom2(Gone) },
    { noRetry: ["FatalError"], fail: () => boom("x", "FatalError") },
    { noRetry: ["E_GONE"], fail: coded },
    { retryIf: (error: unknown) => !(error instanceof Gone), fail: () => boom2(Gone) },
  ];
  for (const { fail, ...policy } of cases) {
    await using world = createWorld();
    const retry = { attempts: 5, backoff: "immediate" as const, ...policy };
    const scripted = defineScripted(world, [() => boom(), fail], { retry });
    const { view } = await run(world, scripted);
    expect(view).toMatchObject({ state: "failed", reason: "no-retry", attempt: 2 });
  }
});

function boom2(Kind: new (message: string) => Error): never {
  throw new Kind("gone");
}

test("backoff: may be a function of attempt and error", async () => {
  await using world = createWorld();
  const scripted = defineScripted(world, [() => boom("a"), () => boom("b"), () => "done"], {
    retry: {
      attempts: 3,
      backoff: (attempt, error) => (error as Error).message.length * attempt * 10_000,
    },
  });
  await run(world, scripted);
  const pauses = scripted.calls.slice(1).map(({ at }, n) => at - (scripted.calls[n]?.at ?? 0));
  expect(pauses[0]).toBeGreaterThanOrEqual(10_000);
  expect(pauses[0]).toBeLessThan(10_100);
  expect(pauses[1]).toBeGreaterThanOrEqual(20_000);
  expect(pauses[1]).toBeLessThan(20_100);
});

test("backoff: a function that throws or answers nonsense fails the task, and says so", async () => {
  for (const backoff of [() => "soon", () => boom("broken")] as never[]) {
    await using world = createWorld();
    const scripted = defineScripted(world, [() => boom()], { retry: { attempts: 3, backoff } });
    const { end } = await run(world, scripted);
    expect(end).toMatchObject({
      state: "failed",
      error: { message: expect.stringMatching(/retry\.backoff must be a duration|broken/) },
    });
  }
});

test("history: every attempt is kept with its task: when, where, why", async () => {
  await using world = createWorld();
  const scripted = defineScripted(world, [() => boom("one"), () => boom("two"), () => "done"], {
    retry: { attempts: 3, backoff: "constant", delay: "10s" },
  });
  const { view } = await run(world, scripted);
  expect(
    view.attempts.map(({ attempt, outcome, error }) => [attempt, outcome, error?.message]),
  ).toEqual([
    [1, "failed", "one"],
    [2, "failed", "two"],
    [3, "succeeded", undefined],
  ]);
  for (const { worker, startedAt, endedAt } of view.attempts) {
    expect(worker).toMatch(/^[0-9a-f]{16}$/);
    expect(Number(endedAt)).toBeGreaterThanOrEqual(Number(startedAt));
  }
});

test("history: only the last attempts are kept, and the sweep leaves none", async () => {
  await using world = createWorld();
  const scripted = defineScripted(world, [() => boom()], {
    retry: { attempts: 50, backoff: "immediate" },
    retention: "1m",
  });
  const { view } = await run(world, scripted);
  expect(view.attempt).toBe(50);
  expect(view.attempts.map(({ attempt }) => attempt)).toEqual(
    Array.from({ length: 21 }, (_, index) => 30 + index),
  );
  await world.clock.advance(5 * 60_000);
  const { entries } = await world.store.range({ start: "", end: "\x7f" });
  const left = entries.map(({ key }) => key).filter((key) => !/^(meta|worker|beat)/.test(key));
  expect(left.filter((key) => !key.endsWith("~"))).toEqual([]);
});

test("keep nothing: whoever waits gets the result, and the task is gone at once", async () => {
  await using world = createWorld();
  const scripted = defineScripted(world, [() => "done"], { retention: 0 });
  await (await world.app([scripted.task])).createWorker().start();
  const elsewhere = await world.app();
  const handle = await scripted.task.delay(undefined);
  const results = [handle.result(), elsewhere.handle(handle.id).result()];
  expect(await world.drive(Promise.all(results))).toEqual(["done", "done"]);
  await world.until(async () => (await elsewhere.backend.get(handle.id)) === undefined);
  expect(await elsewhere.backend.get(handle.id)).toBeUndefined();
});

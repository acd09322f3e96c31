import { describe, expect, test } from "vitest";
import { z } from "zod";
import { aborted } from "../../src/base/aborted.ts";
import { createDeferred } from "../../src/base/deferred.ts";
import type { TaskFailedError } from "../../src/task/failure.ts";
import {
  type AgentCall,
  type CallAbortedError,
  method,
  rpcTask,
} from "../../src/tasks/rpc/index.ts";
import { openFleet, stores } from "./support/fleet.ts";

const WAIT = { timeout: "20s" } as const;

const format = rpcTask({
  name: "disk.format",
  input: z.object({ node: z.string(), device: z.string() }),
  output: z.object({ seconds: z.number() }),
  progress: z.object({ step: z.string() }),
  agent: ({ node }) => node,
  method: "disk.format",
});

/** Says when it was called, and goes on until it is told to stop. */
function createHeld() {
  const called = createDeferred<AgentCall>();
  const held = async (_input: unknown, call: AgentCall) => {
    called.resolve(call);
    await aborted(call.signal);
    throw call.signal.reason;
  };
  return { held, called: called.promise };
}

const failureOf = async (result: Promise<unknown>) => {
  const error = await result.then(
    () => undefined,
    (thrown: TaskFailedError) => thrown,
  );
  if (error === undefined) throw new Error("It did not fail.");
  return error.failure;
};

describe.each(stores)("calls on %s:", (_name, open) => {
  test("a call's result, progress and log become those of the task", async () => {
    await using fleet = await openFleet([format], open);
    await fleet.agent({
      methods: {
        "disk.format": method({
          input: z.object({ device: z.string() }),
          run: ({ device }, call) => {
            call.log(`formats ${device}\nslowly`);
            call.progress(40, { step: "write" });
            call.progress(80, { step: "verify" });
            return { seconds: 2 };
          },
        }),
      },
    });
    const handle = await format.delay({ node: "node-1", device: "sdb" });
    expect(await handle.result(WAIT)).toEqual({ seconds: 2 });
    const { progress } = await handle.state();
    expect(progress).toMatchObject({ percent: 80, detail: { step: "verify" } });
    const { lines } = await handle.log();
    expect(lines.map(({ text }) => text)).toEqual(["formats sdb", "slowly"]);
  });

  test("a cancel reaches the method, and its end is the task's", async () => {
    await using fleet = await openFleet([format], open);
    const { held, called } = createHeld();
    await fleet.agent({ methods: { "disk.format": held } });
    const handle = await format.delay({ node: "node-1", device: "sdb" });
    const { signal } = await called;
    await handle.cancel({ reason: "the disk is needed" });
    expect(await handle.settle(WAIT)).toEqual({ state: "cancelled" });
    expect((signal.reason as CallAbortedError).reason).toBe("cancelled");
    expect((await handle.state()).cancel).toMatchObject({ reason: "the disk is needed" });
  });

  test("a task whose agent is not there waits, and says for what", async () => {
    await using fleet = await openFleet([format], open);
    const handle = await format.delay({ node: "node-1", device: "sdb" });
    const waiting = createDeferred<unknown>();
    const watching = new AbortController();
    for await (const view of handle.watch({ signal: watching.signal })) {
      if (view.state !== "scheduled") continue;
      waiting.resolve(view.waitsFor);
      watching.abort();
    }
    expect(await waiting.promise).toBe("no live agent named node-1");
    await fleet.agent({ methods: { "disk.format": () => ({ seconds: 1 }) } });
    expect(await handle.result(WAIT)).toEqual({ seconds: 1 });
    expect((await handle.state()).attempt).toBe(1);
  });
});

test("call: the method knows task, attempt, fence and headers", async () => {
  const fails = rpcTask<void>({
    name: "x",
    agent: "node-1",
    method: "x",
    retry: { attempts: 2, delay: 1 },
  });
  await using fleet = await openFleet([fails]);
  const calls: AgentCall[] = [];
  await fleet.agent({
    methods: {
      x: (input, call) => {
        calls.push(call);
        if (call.attempt === 1) throw new Error("once more");
        return input ?? "no input";
      },
    },
  });
  const headers = { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`, tenant: "Müller" };
  const handle = await fails.delay(undefined, { headers });
  expect(await handle.result(WAIT)).toBe("no input");
  const facts = { task: handle.id, method: "x", headers };
  expect(calls).toMatchObject([
    { ...facts, attempt: 1 },
    { ...facts, attempt: 2 },
  ]);
  expect(calls[1]?.fence).toBeGreaterThan(calls[0]?.fence as number);
});

test("call: what a method throws fails the attempt with its name, code, cause and hints", async () => {
  const write = rpcTask<{ final: boolean }>({
    name: "write",
    agent: "node-1",
    method: "write",
    retry: { attempts: 3, delay: 1 },
  });
  await using fleet = await openFleet([write]);
  await fleet.agent({
    methods: {
      write: ({ final }: { final: boolean }) => {
        const error = new RangeError("no space", { cause: new Error("sector 7") });
        throw Object.assign(error, { code: "ENOSPC", final });
      },
    },
  });
  const again = await write.delay({ final: false });
  expect(await failureOf(again.result(WAIT))).toMatchObject({
    name: "RangeError",
    message: "no space",
    code: "ENOSPC",
    cause: { message: "sector 7" },
    stack: expect.stringContaining("calls.test.ts"),
  });
  expect((await again.state()).attempt).toBe(3);
  const once = await write.delay({ final: true });
  expect(await failureOf(once.result(WAIT))).toMatchObject({ code: "ENOSPC" });
  expect(await once.state()).toMatchObject({ attempt: 1, reason: "no-retry" });
});

test("call: a time limit reaches the method", async () => {
  const slow = rpcTask<void>({ name: "slow", agent: "node-1", method: "slow", timeout: 200 });
  await using fleet = await openFleet([slow]);
  const { held, called } = createHeld();
  await fleet.agent({ methods: { slow: held } });
  const handle = await slow.delay();
  const { signal } = await called;
  expect(await failureOf(handle.result(WAIT))).toMatchObject({ code: "ATTEMPT_TIMEOUT" });
  expect((signal.reason as CallAbortedError).reason).toBe("timeout");
});

test("call: a method that returns although it was told to stop has succeeded", async () => {
  const slow = rpcTask<void>({ name: "slow", agent: "node-1", method: "slow" });
  await using fleet = await openFleet([slow]);
  const called = createDeferred<void>();
  await fleet.agent({
    methods: {
      slow: async (_input, { signal }) => {
        called.resolve();
        await aborted(signal);
        return "done all the same";
      },
    },
  });
  const handle = await slow.delay();
  await called.promise;
  await handle.cancel();
  expect(await handle.settle(WAIT)).toEqual({ state: "succeeded", result: "done all the same" });
});

test("call: an input or result that does not fit its schema is final", async () => {
  const check = rpcTask({
    name: "check",
    output: z.object({ seconds: z.number() }),
    agent: "node-1",
    method: "check",
    retry: { attempts: 5 },
  });
  await using fleet = await openFleet([check]);
  const picky = method({ input: z.object({ device: z.string() }), run: () => ({ seconds: 1 }) });
  const agent = await fleet.agent({ methods: { check: picky } });
  const wrongInput = await check.delay();
  expect(await failureOf(wrongInput.result(WAIT))).toMatchObject({
    code: "INVALID_INPUT",
    message: expect.stringContaining("input of check"),
  });
  await agent.stop();
  await fleet.agent({ methods: { check: () => ({ seconds: "two" }) } });
  const wrongResult = await check.delay();
  expect(await failureOf(wrongResult.result(WAIT))).toMatchObject({
    code: "INVALID_INPUT",
    message: expect.stringContaining("result of check"),
  });
  expect((await wrongResult.state()).attempt).toBe(1);
});

test("call: a result that is no JSON, or too large, fails the attempt for good", async () => {
  const get = rpcTask<string>({
    name: "get",
    agent: "node-1",
    method: "get",
    retry: { attempts: 5 },
  });
  await using fleet = await openFleet([get]);
  const results: Record<string, unknown> = { odd: () => 1, large: "x".repeat(1_100_000) };
  await fleet.agent({ methods: { get: (what) => results[what as string] } });
  const ends = await Promise.all(
    ["odd", "large"].map(async (what) => failureOf((await get.delay(what)).result(WAIT))),
  );
  expect(ends.map(({ code }) => code)).toEqual(["NOT_JSON", "PAYLOAD_TOO_LARGE"]);
});

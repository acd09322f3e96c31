import { expect, test } from "vitest";
import { aborted } from "../../src/base/aborted.ts";
import { systemClock } from "../../src/base/clock.ts";
import { createDeferred, type Deferred } from "../../src/base/deferred.ts";
import {
  type Agent,
  type AgentCall,
  type AgentOptions,
  type CallAbortedError,
  serveAgent,
} from "../../src/tasks/rpc/index.ts";
import { openMemory } from "./support/fleet.ts";
import { RawCaller } from "./support/raw-call.ts";

/** An agent whose method `x` ends when the test says so; deaf to its signal. */
async function openAgent(options: Partial<AgentOptions> = {}) {
  const opened = await openMemory();
  const calls: { call: AgentCall; end: Deferred<unknown> }[] = [];
  let running = 0;
  let runningMax = 0;
  let changed = createDeferred<void>();
  const x = async (_input: unknown, call: AgentCall) => {
    const end = createDeferred<unknown>();
    calls.push({ call, end });
    running += 1;
    runningMax = Math.max(running, runningMax);
    changed.resolve();
    changed = createDeferred<void>();
    try {
      return await end.promise;
    } finally {
      running -= 1;
    }
  };
  const agent: Agent = await serveAgent({
    store: opened.store,
    name: "node-1",
    methods: { x },
    drain: 0,
    ...options,
  });
  const caller = new RawCaller(agent);
  return {
    agent,
    caller,
    calls,
    runningMax: () => runningMax,
    /** Waits for the handler of the call of that number. */
    begun: async (index: number) => {
      while (calls.length <= index) await changed.promise;
      return calls[index] as { call: AgentCall; end: Deferred<unknown> };
    },
    [Symbol.asyncDispose]: async () => {
      for (const { end } of calls) end.resolve(undefined);
      caller[Symbol.dispose]();
      await agent.stop();
      await opened[Symbol.asyncDispose]();
    },
  };
}

const reasonOf = ({ call }: { call: AgentCall }) => (call.signal.reason as CallAbortedError).reason;

test("fence: an attempt older than one that ran is refused, also when that has ended", async () => {
  await using world = await openAgent();
  const newer = world.caller.call({ fence: 7, attempt: 2 });
  (await world.begun(0)).end.resolve("done");
  expect(await newer.ended).toBe("result");
  expect(await world.caller.call({ fence: 6 }).ended).toBe("ATTEMPT_STALE");
  const other = world.caller.call({ fence: 6, task: "task-2" });
  (await world.begun(1)).end.resolve("done");
  expect(await other.ended).toBe("result");
});

test("fence: a newer attempt ends the older call, and runs when its handler has ended", async () => {
  await using world = await openAgent();
  const older = world.caller.call({ fence: 3 });
  const first = await world.begun(0);
  const newer = world.caller.call({ fence: 8, attempt: 2 });
  expect(await older.ended).toBe("ATTEMPT_STALE");
  await newer.accepted;
  await aborted(first.call.signal);
  expect(reasonOf(first)).toBe("superseded");
  expect(world.calls.length).toBe(1);
  first.end.resolve("late");
  const second = await world.begun(1);
  expect(second.call).toMatchObject({ attempt: 2, fence: 8 });
  second.end.resolve("done");
  expect(await newer.ended).toBe("result");
  expect(world.runningMax()).toBe(1);
});

test("fence: of several that wait only the newest is kept", async () => {
  await using world = await openAgent();
  const oldest = world.caller.call({ fence: 1 });
  const first = await world.begun(0);
  const middle = world.caller.call({ fence: 2 });
  await middle.accepted;
  const newest = world.caller.call({ fence: 3 });
  expect(await middle.ended).toBe("ATTEMPT_STALE");
  expect(await world.caller.call({ fence: 2 }).ended).toBe("ATTEMPT_STALE");
  first.end.resolve(undefined);
  (await world.begun(1)).end.resolve("done");
  expect(await Promise.all([oldest.ended, newest.ended])).toEqual(["ATTEMPT_STALE", "result"]);
  expect(world.runningMax()).toBe(1);
});

test("fence: the same attempt is not served twice at once", async () => {
  await using world = await openAgent();
  const call = world.caller.call({ fence: 3 });
  const first = await world.begun(0);
  expect(await world.caller.call({ fence: 3 }).ended).toBe("AGENT_BUSY");
  first.end.resolve("done");
  expect(await call.ended).toBe("result");
});

test("call: one whose caller goes is told to stop", async () => {
  await using world = await openAgent();
  const call = world.caller.call({});
  const first = await world.begun(0);
  call.cancel();
  await aborted(first.call.signal);
  expect(reasonOf(first)).toBe("disconnected");
});

test("call: one that waits for an older one and is cancelled never begins", async () => {
  await using world = await openAgent();
  world.caller.call({ fence: 1 });
  const first = await world.begun(0);
  const waiting = world.caller.call({ fence: 2 });
  await waiting.accepted;
  const request = { task: "task-1", fence: 2, reason: "cancelled" };
  expect(await world.caller.connection.cancel(request, systemClock)).toEqual({ found: true });
  expect(await waiting.ended).toBe("failure");
  first.end.resolve(undefined);
  expect(await world.caller.connection.cancel(request, systemClock)).toEqual({ found: false });
  expect(world.calls.length).toBe(1);
});

test("call: as many as an agent takes are let in, the next one is refused until one ends", async () => {
  await using world = await openAgent({ callsMax: 2 });
  const calls = ["a", "b"].map((task) => world.caller.call({ task }));
  await world.begun(1);
  expect(await world.caller.call({ task: "c" }).ended).toBe("AGENT_BUSY");
  expect(await world.caller.connection.health(systemClock)).toMatchObject({
    running: 2,
    serving: true,
  });
  world.calls[0]?.end.resolve("done");
  await calls[0]?.ended;
  world.caller.call({ task: "c" });
  await world.begun(2);
});

test.each([
  ["of another protocol", { protocol: 2 }, "AGENT_PROTOCOL"],
  ["meant for a former life", { incarnation: "another" }, "AGENT_RESTARTED"],
  ["of an unknown method", { method: "__proto__" }, "AGENT_METHOD_UNKNOWN"],
  ["with a fence that is none", { fence: 2 ** 60 }, "AGENT_PROTOCOL"],
])("call: one %s is refused", async (_what, request, code) => {
  await using world = await openAgent();
  expect(await world.caller.call(request).ended).toBe(code);
  expect(world.calls.length).toBe(0);
});

test("call: input that is no JSON fails the call", async () => {
  await using world = await openAgent();
  const call = world.caller.call({ input: Buffer.from("{") });
  expect(await call.ended).toBe("failure");
  expect(call.events.at(-1)).toMatchObject({ failure: { code: "RECORD_MALFORMED" } });
});

import { expect, test } from "vitest";
import { createDeferred } from "../../src/base/deferred.ts";
import { InvalidOptionsError } from "../../src/base/errors.ts";
import { put } from "../../src/store/part.ts";
import type { Store } from "../../src/store/store.ts";
import { agentKey } from "../../src/task/keyspace.ts";
import { type AgentRecord, encodeRecord } from "../../src/task/records.ts";
import { type AgentChoice, listAgents, rpcTask } from "../../src/tasks/rpc/index.ts";
import { openFleet } from "./support/fleet.ts";

const WAIT = { timeout: "20s" } as const;

function defineRouted(agent: AgentChoice, more: { attempts?: number } = {}) {
  const { attempts = 1 } = more;
  return rpcTask<void>({
    name: "routed",
    agent,
    method: "whoami",
    ifAbsent: "fail",
    retry: { attempts, delay: 1 },
  });
}

const failed = (code: string, message: RegExp) => ({
  state: "failed",
  error: expect.objectContaining({ code, message: expect.stringMatching(message) }),
});

/** Puts an agent into the store that nobody serves. */
async function putAgent(store: Store, name: string, facts: Partial<AgentRecord>): Promise<void> {
  const record: AgentRecord = {
    incarnation: "none",
    address: "127.0.0.1:1",
    tls: false,
    labels: {},
    methods: ["whoami"],
    protocol: 1,
    version: "0.0.0",
    host: "nowhere",
    pid: 1,
    startedAt: 0,
    ttlMs: 1_000,
    ...facts,
  };
  await store.commit([{ guards: [], writes: [put(agentKey(name), encodeRecord(record))] }]);
}

test("routing: labels choose any live agent that has them all", async () => {
  const task = defineRouted({ labels: { zone: "b", disk: "ssd" } });
  await using fleet = await openFleet([task]);
  const whoami = (name: string) => ({ whoami: () => name });
  const labels = { zone: "b", disk: "ssd", rack: "4" };
  await fleet.agent({ name: "a", labels: { zone: "a", disk: "ssd" }, methods: whoami("a") });
  await fleet.agent({ name: "b", labels: { zone: "b" }, methods: whoami("b") });
  await fleet.agent({ name: "c", labels, methods: whoami("c") });
  const handles = await task.delayMany(Array.from({ length: 5 }));
  const results = await Promise.all(handles.map((handle) => handle.result(WAIT)));
  expect(new Set(results)).toEqual(new Set(["c"]));
});

test("routing: of several agents the one with the fewest calls is chosen", async () => {
  const task = defineRouted({ labels: {} });
  await using fleet = await openFleet([task]);
  const gate = createDeferred<void>();
  const counts = new Map<string, number>();
  const all = createDeferred<void>();
  const names = ["a", "b", "c"];
  for (const name of names) {
    const whoami = async () => {
      counts.set(name, (counts.get(name) ?? 0) + 1);
      if ([...counts.values()].reduce((sum, each) => sum + each) === 9) all.resolve();
      await gate.promise;
    };
    await fleet.agent({ name, methods: { whoami } });
  }
  const handles = await task.delayMany(Array.from({ length: 9 }));
  await all.promise;
  expect(Object.fromEntries(counts)).toEqual({ a: 3, b: 3, c: 3 });
  const views = await listAgents(fleet.store);
  expect(views.map(({ name, running }) => [name, running])).toEqual(names.map((each) => [each, 3]));
  gate.resolve();
  await Promise.all(handles.map((handle) => handle.result(WAIT)));
});

test("routing: without an agent the task fails by its policy if it is told to", async () => {
  const named = defineRouted("node-1", { attempts: 2 });
  await using _fleet = await openFleet([named]);
  const handle = await named.delay();
  expect(await handle.settle(WAIT)).toEqual(
    failed("AGENT_ABSENT", /^There is no live agent named node-1\.$/),
  );
  expect((await handle.state()).attempt).toBe(2);
});

test("routing: an agent without the method is a final failure, which names those it has", async () => {
  const task = defineRouted("node-1", { attempts: 5 });
  await using fleet = await openFleet([task]);
  await fleet.agent({ methods: { "disk.format": () => 1, "disk.wipe": () => 1 } });
  const handle = await task.delay();
  expect(await handle.settle(WAIT)).toEqual(
    failed("AGENT_METHOD_UNKNOWN", /no method whoami; it has disk\.format, disk\.wipe\.$/),
  );
  expect((await handle.state()).attempt).toBe(1);
});

test("routing: an agent of another protocol is a final failure", async () => {
  const task = defineRouted("node-1", { attempts: 5 });
  await using fleet = await openFleet([task]);
  await putAgent(fleet.store, "node-1", { protocol: 2 });
  const handle = await task.delay();
  expect(await handle.settle(WAIT)).toEqual(
    failed("AGENT_PROTOCOL", /speaks version 2 of the protocol, this worker version 1/),
  );
  expect((await handle.state()).attempt).toBe(1);
});

test("routing: an agent whose record is damaged is none, and one that does not answer is listed", async () => {
  const task = defineRouted("node-1");
  await using fleet = await openFleet([task]);
  const damaged = put(agentKey("node-1"), Buffer.from("{}"));
  await fleet.store.commit([{ guards: [], writes: [damaged] }]);
  await putAgent(fleet.store, "node-2", {});
  expect(await (await task.delay()).settle(WAIT)).toEqual(failed("AGENT_ABSENT", /node-1/));
  const views = await listAgents(fleet.store, { within: 100 });
  expect(views).toMatchObject([{ name: "node-2", running: undefined, host: "nowhere" }]);
});

test("routing: what a function of the input returns is checked", async () => {
  const task = rpcTask<string>({
    name: "odd",
    agent: (input) => (input === "labels" ? { labels: { zone: 3 as never } } : (7 as never)),
    method: "x",
  });
  await using _fleet = await openFleet([task]);
  const [number, labels] = await task.delayMany(["number", "labels"]);
  expect(await number?.settle(WAIT)).toEqual(
    failed("INVALID_OPTIONS", /^agent must be a name, or \{ labels \}, .* got 7\.$/),
  );
  expect(await labels?.settle(WAIT)).toEqual(
    failed("INVALID_OPTIONS", /^agent\.labels\.zone must be a text of 1 to 100/),
  );
});

test.each<[string, object, RegExp]>([
  ["agent", { agent: 7 }, /agent must be a name/],
  ["agent", { agent: "a/b" }, /agent must have 1 to 100 characters/],
  ["method", { method: "" }, /method must have 1 to 100 characters/],
  ["ifAbsent", { ifAbsent: "later" }, /ifAbsent must be one of wait, fail/],
  ["output", { output: 3 }, /must be a Standard Schema/],
  ["tls", { tls: { ca: "/no/such/file" } }, /tls\.ca cannot be read/],
  ["an unknown option", { agents: 1 }, /rpcTask has no option "agents"/],
])("routing: a bad %s is refused where the task is defined", (_what, options, message) => {
  const define = () => rpcTask({ name: "x", agent: "node-1", method: "x", ...options });
  expect(define).toThrow(InvalidOptionsError);
  expect(define).toThrow(message);
});

import { describe, expect, test, vi } from "vitest";
import { createApp } from "../../src/app.ts";
import { put } from "../../src/store/part.ts";
import { keyRange } from "../../src/store/range.ts";
import type { Store } from "../../src/store/store.ts";
import { decodeAgent } from "../../src/task/decode.ts";
import { agentKey } from "../../src/task/keyspace.ts";
import { encodeRecord } from "../../src/task/records.ts";
import { listAgents, rpcTask } from "../../src/tasks/rpc/index.ts";
import { scenarioStores } from "../scenario/stores.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { AgentChild } from "./support/agent-child.ts";

const TTL_MS = 2_000;
const KILLS = 3;
const WAIT = { timeout: "40s" } as const;

vi.setConfig({ testTimeout: 120_000 });

const define = (method: string) => rpcTask<void>({ name: method, agent: "node-1", method });
const hold = define("hold");
const wait = define("wait");

const failedWith = (code: string) => ({
  state: "failed",
  error: expect.objectContaining({ code }),
});

/** Waits until the agent says that it is about to leave. */
async function untilLeaving(store: Store): Promise<void> {
  const key = agentKey("node-1");
  const entry = await store.get(key);
  if (!entry) throw new Error("The agent is not there.");
  if (decodeAgent(entry.value).leaving) return;
  for await (const { events } of store.watch(keyRange(key), { after: entry.modRevision })) {
    const last = events.at(-1);
    if (last?.type === "put" && decodeAgent(last.entry.value).leaving) return;
  }
}

describe.each(scenarioStores.filter(({ name }) => name !== "etcd 3.4"))("$name:", ({ open }) => {
  const setup = async () => {
    const { url, ...opened } = await open();
    const app = await createApp({ store: url, tasks: [hold, wait] });
    await app.createWorker({ concurrency: 10 }).start();
    return {
      url,
      app,
      [Symbol.asyncDispose]: async () => {
        await app.close();
        await opened[Symbol.asyncDispose]();
      },
    };
  };

  test("a call at an agent that is killed fails with AGENT_GONE as soon as its lease is over", async () => {
    await using bundle = await setup();
    for (let kill = 0; kill < KILLS; kill += 1) {
      await using agent = await AgentChild.start(bundle.url, "node-1");
      const handle = await hold.delay();
      await agent.seen("called");
      const killedAt = performance.now();
      agent.signal("SIGKILL");
      expect(await handle.settle(WAIT)).toEqual(failedWith("AGENT_GONE"));
      expect(performance.now() - killedAt).toBeLessThan(TTL_MS + 2_000);
    }
  });

  test("an agent that is started anew at its address is told apart from one that is gone", async () => {
    await using bundle = await setup();
    // Long enough for a process to start on a busy machine.
    await using agent = await AgentChild.start(bundle.url, "node-1", { leaseTtl: 15_000 });
    const { address } = agent;
    const handle = await hold.delay();
    await agent.seen("called");
    agent.signal("SIGKILL");
    await agent.ended();
    await using again = await AgentChild.start(bundle.url, "node-1", { address });
    expect(await handle.settle(WAIT)).toEqual(failedWith("AGENT_RESTARTED"));
    expect(again.address).toBe(address);
  });

  test("an agent that stops lets its calls end, and is given no more", async () => {
    await using bundle = await setup();
    await using agent = await AgentChild.start(bundle.url, "node-1");
    const handle = await wait.delay();
    await agent.seen("called");
    agent.signal("SIGTERM");
    await untilLeaving(bundle.app.store);
    const late = await wait.delay();
    for await (const { waitsFor } of late.watch()) if (waitsFor !== undefined) break;
    agent.release();
    expect(await handle.result(WAIT)).toHaveProperty("pid");
    expect(await agent.seen("stopped")).toMatchObject({ aborted: 0 });
    expect(await agent.ended()).toBe(0);
    await late.cancel();
  });

  test("an agent that stops in the end aborts its calls, which then know that it is gone", async () => {
    await using bundle = await setup();
    await using agent = await AgentChild.start(bundle.url, "node-1", { drain: 100 });
    const handle = await hold.delay();
    await agent.seen("called");
    agent.signal("SIGTERM");
    expect(await agent.seen("aborted")).toMatchObject({ reason: "stopping" });
    expect(await handle.settle(WAIT)).toEqual(failedWith("AGENT_GONE"));
    expect(await agent.ended()).toBe(0);
  });

  test("a connection that breaks while the agent lives fails the call, and stops its handler", async () => {
    await using bundle = await setup();
    await using agent = await AgentChild.start(bundle.url, "node-1");
    const [host = "", port = ""] = agent.address.split(":");
    await using proxy = await TcpProxy.start({ host, port: Number(port) });
    const { store } = bundle.app;
    const entry = await store.get(agentKey("node-1"));
    if (!entry?.lease) throw new Error("The agent is not there.");
    const address = `127.0.0.1:${proxy.endpoint.port}`;
    const moved = encodeRecord({ ...decodeAgent(entry.value), address });
    await store.commit([{ guards: [], writes: [put(entry.key, moved, entry.lease)] }]);

    const handle = await hold.delay();
    await agent.seen("called");
    proxy.reset();
    expect(await handle.settle(WAIT)).toEqual(failedWith("RPC_UNAVAILABLE"));
    expect(await agent.seen("aborted")).toMatchObject({ reason: "disconnected" });
  });

  test("an agent that loses its lease stops its handlers and registers anew", async () => {
    await using bundle = await setup();
    await using agent = await AgentChild.start(bundle.url, "node-1");
    const handle = await hold.delay();
    await agent.seen("called");
    const { store } = bundle.app;
    const entry = await store.get(agentKey("node-1"));
    await store.revoke(entry?.lease ?? "");
    const { state, error } = (await handle.settle(WAIT)) as { state: string; error: object };
    expect(state).toBe("failed");
    expect(error).toHaveProperty("code", expect.stringMatching(/^AGENT_(GONE|RESTARTED)$/));
    expect(await agent.seen("aborted")).toMatchObject({ reason: /agent-lease-lost|disconnected/ });
    const second = await agent.seen("registered", 2);
    expect(second.incarnation).not.toBe(agent.events[0]?.incarnation);
    expect(await listAgents(store)).toMatchObject([{ incarnation: second.incarnation }]);
  });

  test("an agent that is frozen past its lease is gone, and registers anew when it thaws", async () => {
    await using bundle = await setup();
    await using agent = await AgentChild.start(bundle.url, "node-1");
    const handle = await hold.delay();
    await agent.seen("called");
    agent.signal("SIGSTOP");
    expect(await handle.settle(WAIT)).toEqual(failedWith("AGENT_GONE"));
    agent.signal("SIGCONT");
    expect(await agent.seen("aborted")).toHaveProperty("reason");
    await agent.seen("registered", 2);
    const again = await wait.delay();
    await agent.seen("called", 2);
    agent.release();
    expect(await again.result(WAIT)).toHaveProperty("pid");
  });

  test("a name has one live agent; that of a dead one is free when its lease is over", async () => {
    await using bundle = await setup();
    await using agent = await AgentChild.start(bundle.url, "node-1");
    await using second = await AgentChild.start(bundle.url, "node-1", {}, { registered: false });
    expect(await second.ended()).toBe(1);
    expect(second.complaints).toContain("code: 'AGENT_NAME_TAKEN'");
    agent.signal("SIGKILL");
    await using third = await AgentChild.start(bundle.url, "node-1");
    expect(third.address).not.toBe(agent.address);
  });
});

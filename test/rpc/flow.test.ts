import { expect, test } from "vitest";
import { createDeferred } from "../../src/base/deferred.ts";
import { type AgentCall, rpcTask, serveAgent } from "../../src/tasks/rpc/index.ts";
import { LOG_BYTES_MAX } from "../../src/tasks/rpc/outbox.ts";
import type { CallEvent } from "../../src/tasks/rpc/protocol.ts";
import { openFleet, openMemory } from "./support/fleet.ts";
import { RawCaller } from "./support/raw-call.ts";

const CALLS = 1_000;
const FLOOD = 20_000;
const MEBIBYTE = 1_048_576;

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/** Bytes in use once everything that can be freed is; the test runner offers no collector. */
async function usedBytes(): Promise<number> {
  const sizes: number[] = [];
  for (let round = 0; round < 20; round += 1) {
    await nextTurn();
    const { heapUsed, external } = process.memoryUsage();
    sizes.push(heapUsed + external);
  }
  return Math.min(...sizes);
}

test("flow: a thousand calls at once to one agent all end well, in bounded memory", async () => {
  const task = rpcTask<{ n: number }>({ name: "n", agent: "node-1", method: "n" });
  await using fleet = await openFleet([task], openMemory, CALLS);
  const gate = createDeferred<void>();
  const all = createDeferred<void>();
  let running = 0;
  const agent = await fleet.agent({
    methods: {
      n: async ({ n }: { n: number }, call) => {
        running += 1;
        call.progress(1);
        call.log(`call ${n}`);
        if (running === CALLS) all.resolve();
        await gate.promise;
        return n;
      },
    },
  });
  const before = await usedBytes();
  const handles = await task.delayMany(Array.from({ length: CALLS }, (_, n) => ({ n })));
  await all.promise;
  expect(agent.running).toBe(CALLS);
  // Worker, agent and store share this process; a call takes some tens of KiB with all of them.
  expect((await usedBytes()) - before).toBeLessThan(256 * MEBIBYTE);
  gate.resolve();
  const results = await Promise.all(handles.map((handle) => handle.result({ timeout: "1m" })));
  expect(results).toEqual(Array.from({ length: CALLS }, (_, n) => n));
  expect(agent.running).toBe(0);
});

test("flow: thousands of short calls share one connection, and none resets it", async () => {
  const task = rpcTask<number>({ name: "echo", agent: "node-1", method: "echo" });
  await using fleet = await openFleet([task], openMemory, 200);
  await fleet.agent({ methods: { echo: (n) => n } });
  // Servers end a connection on which more than a thousand streams are reset in a short time.
  const inputs = Array.from({ length: 3_000 }, (_, n) => n);
  const handles = await task.delayMany(inputs);
  expect(await Promise.all(handles.map((handle) => handle.result({ timeout: "1m" })))).toEqual(
    inputs,
  );
});

test("flow: a method that tells more than is taken keeps the newest, and little of it", async () => {
  await using opened = await openMemory();
  const flooded = createDeferred<void>();
  const line = "x".repeat(1_000);
  const x = async (_input: unknown, call: AgentCall) => {
    for (let count = 1; count <= FLOOD; count += 1) {
      call.progress(50, { count, pad: line });
      call.log(`${count} ${line}`);
      if (count % 100 === 0) await nextTurn();
    }
    flooded.resolve();
    return "done";
  };
  await using agent = await serveAgent({ store: opened.store, name: "node-1", methods: { x } });
  using caller = new RawCaller(agent);
  const before = await usedBytes();
  const call = caller.call({});
  call.pause();
  await flooded.promise;
  // Some tens of megabytes were told meanwhile.
  expect((await usedBytes()) - before).toBeLessThan(24 * MEBIBYTE);
  call.resume();
  expect(await call.ended).toBe("result");
  const progress = call.events.filter((event) => event.event === "progress");
  expect(JSON.parse(String(progress.at(-1)?.progress.detail))).toMatchObject({ count: FLOOD });
  const lines = call.events.filter(isLog).flatMap(({ log }) => log.text.split("\n"));
  expect(lines.at(-1)).toBe(`${FLOOD} ${line}`);
  const notice = /^… (\d+) lines are left out/;
  const leftOut = lines.map((text) => Number(notice.exec(text)?.[1] ?? 0));
  const kept = lines.filter((text) => !notice.test(text)).length;
  expect(kept + leftOut.reduce((sum, count) => sum + count, 0)).toBe(FLOOD);
  const largest = Math.max(...call.events.filter(isLog).map(({ log }) => log.text.length));
  expect(largest).toBeLessThan(LOG_BYTES_MAX);
  expect(call.events.length).toBeLessThan(FLOOD / 10);
});

function isLog(event: CallEvent): event is Extract<CallEvent, { event: "log" }> {
  return event.event === "log";
}

import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { startEtcd } from "../support/etcd-server.ts";
import { isAlive, openFolder, Program } from "./program.ts";

const TIMEOUT_MS = 240_000;
const DEMO = ["--import", "tsx", "examples/fleet/demo.ts"];

/** Fails unless the demo told its whole story and ended well. */
async function expectWholeStory(demo: Program): Promise<void> {
  const code = await demo.ended;
  expect(code, demo.text).toBe(0);
  const { text } = demo;
  const killed = /worker A killed \(SIGKILL\) while running: (.+)/.exec(text)?.[1]?.split(", ");
  expect(killed?.length, text).toBeGreaterThan(0);
  for (const task of killed ?? []) expect(text).toContain(`${task} picked up by B, attempt 2`);
  expect(text).toMatch(/all \d run again, \d\.\d s after the kill/);
  expect(text).toMatch(/node\.upgrade n1 failed, again in \d\.\d s: connection lost after 96 KiB/);
  expect(text).toMatch(/node\.upgrade n1 succeeded on [AB], attempt [34]/);
  expect(text).toMatch(/disk\.scrub n3\/sdb failed: damaged block 23/);
  expect(text).toMatch(/^ +tasks +succeeded +failed +attempts +rescued +mean time$/m);
  expect(text).toMatch(/^disk\.format +16 +16 +0 /m);
  expect(text).toMatch(/^message\.send +200 +200 +0 /m);
  expect(text).toMatch(/disk\.wipe n4\/sdb runs; asked to cancel it: requested/);
  expect(text).toMatch(/disk\.wipe n4\/sdb cancelled at \d+ % by demo: the disk is still needed/);
  expect(text).toMatch(/node\.check n1 succeeded on [AB], begun [4-9]\.\d s later as asked/);
  expect(text).toMatch(/Beat: worker A leads$/m);
  expect(text).toMatch(/Beat: worker B leads, \d\.\d s after the kill/);
  expect(text).toMatch(/schedule made a task for each of \d+ seconds, none twice/);
  expect(text).toMatch(/^disk\.wipe +1 +0 +0 /m);
  expect(text).toContain("Every end was recorded exactly once");
  expect(text).not.toContain("\x1b");
}

/** Waits until the processes are gone: one that was killed is so a moment later. */
async function expectGone(pids: readonly number[]): Promise<void> {
  for (let tries = 0; pids.some(isAlive) && tries < 100; tries += 1) await sleep(50);
  expect(pids.filter(isAlive)).toEqual([]);
}

async function workerPids(demo: Program): Promise<readonly [number, number]> {
  const [a, b] = await Promise.all([
    demo.line(/worker A takes tasks, process (\d+)/),
    demo.line(/worker B takes tasks, process (\d+)/),
  ]);
  return [Number(a[1]), Number(b[1])];
}

test(
  "demo: on an embedded store, the tasks of a killed worker are picked up and all ends well",
  async () => {
    await using demo = new Program(["scripts/demo.mjs"]);
    await expectWholeStory(demo);
  },
  TIMEOUT_MS,
);

test(
  "demo: it does the same on etcd, and leaves no task there",
  async () => {
    await using server = await startEtcd();
    await using demo = new Program(["scripts/demo.mjs", "--store", `${server.url}/demo`]);
    await expectWholeStory(demo);
    const keys = await server.ctl("get", "--prefix", "demo/task/", "--keys-only");
    // The Beat's heartbeat is no task.
    expect(keys.trim()).toBe("demo/task/~");
  },
  TIMEOUT_MS,
);

test(
  "demo: Ctrl-C ends it and all its processes with exit code 130",
  async () => {
    await using demo = new Program(DEMO);
    const pids = await workerPids(demo);
    await demo.line(/tasks handed over/);
    demo.signal("SIGINT");
    expect(await demo.ended, demo.text).toBe(130);
    expect(demo.lines.at(-1)).toBe("Interrupted by SIGINT.");
    await expectGone(pids);
  },
  TIMEOUT_MS,
);

test(
  "demo: when it is killed itself, its processes end too",
  async () => {
    // It cannot remove its folder any more: that lies in one of ours.
    await using folder = await openFolder();
    await using demo = new Program(DEMO, { TMPDIR: folder.path });
    const pids = await workerPids(demo);
    demo.signal("SIGKILL");
    expect(await demo.ended).toBe("SIGKILL");
    await expectGone(pids);
  },
  TIMEOUT_MS,
);

test(
  "demo: a worker that ends unasked is named, and the demo fails",
  async () => {
    await using demo = new Program(DEMO);
    const pids = await workerPids(demo);
    await demo.line(/tasks handed over/);
    process.kill(pids[1], "SIGKILL");
    expect(await demo.ended, demo.text).toBe(1);
    expect(demo.lines.at(-1)).toBe("The worker B process ended by SIGKILL.");
    await expectGone(pids);
  },
  TIMEOUT_MS,
);

test.concurrent.each([
  [
    "a store that does not answer",
    3,
    ["--store", "etcd://127.0.0.1:1"],
    "The store cannot be used",
  ],
  ["a store URL of no known kind", 2, ["--store", "redis://127.0.0.1"], "Store URLs are memory:"],
  ["a store within one process", 2, ["--store", "memory:"], "the demo has four"],
  ["an unknown option", 2, ["--stor", "x"], "Usage: npm run demo"],
  ["--help", 0, ["--help"], "Usage: npm run demo"],
])(
  "demo: %s ends it with exit code %i and a clear message",
  async (_what, code, args, message) => {
    await using demo = new Program([...DEMO, ...args]);
    expect(await demo.ended, demo.text).toBe(code);
    expect(demo.text).toContain(message);
    expect(demo.text).not.toMatch(/^\s+at /m);
  },
  TIMEOUT_MS,
);

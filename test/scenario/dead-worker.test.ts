import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type App, createApp } from "../../src/index.ts";
import { stateHistory } from "./history.ts";
import { type ScenarioStore, scenarioStores } from "./stores.ts";
import { block, gate, note, tasks } from "./tasks.ts";
import { WorkerChild } from "./worker-child.ts";

const TTL_MS = 3_000;
const RESCUE_MS = TTL_MS + 2_000;

interface Bundle extends AsyncDisposable {
  readonly app: App;
  readonly url: string;
  readonly log: string;
  readonly gateFile: string;
  /** The first lines of the handlers' log: who started what. */
  starts(): Promise<{ id: string; attempt: number; fence: number; pid: number }[]>;
}

async function setup(open: () => Promise<ScenarioStore>): Promise<Bundle> {
  const store = await open();
  const app = await createApp({ store: store.url, tasks });
  const log = join(store.directory, "log");
  await writeFile(log, "");
  return {
    app,
    url: store.url,
    log,
    gateFile: join(store.directory, "gate"),
    starts: async () =>
      (await readFile(log, "utf8"))
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line)),
    [Symbol.asyncDispose]: async () => {
      await app.close();
      await store[Symbol.asyncDispose]();
    },
  };
}

describe.each(scenarioStores)("$name", ({ open }) => {
  test("row 8: a worker killed while it runs 50 tasks loses none, and each is recorded once", async () => {
    await using bundle = await setup(open);
    const { app, url, log, gateFile } = bundle;
    await using first = await WorkerChild.start(url, { concurrency: 50, leaseTtl: TTL_MS });
    const input = { log, gate: gateFile };
    const handles = await gate.delayMany(Array.from({ length: 50 }, () => input));
    await first.seen("etask:task:taken", 50);
    await using second = await WorkerChild.start(url, { concurrency: 50, leaseTtl: TTL_MS });

    first.signal("SIGKILL");
    const killedAt = performance.now();
    await writeFile(gateFile, "");
    const ends = await Promise.all(handles.map((handle) => handle.settle({ timeout: "30s" })));
    const tookMs = performance.now() - killedAt;

    expect(ends).toEqual(handles.map(() => ({ state: "succeeded", result: { pid: second.pid } })));
    expect(tookMs).toBeLessThan(RESCUE_MS);
    const histories = await stateHistory(app, 0);
    for (const { id } of handles) {
      const states = histories.get(id)?.map(({ state, worker }) => [state, worker]);
      expect(states?.slice(0, 1)).toEqual([["running", expect.any(String)]]);
      expect(states?.map(([state]) => state)).toEqual([
        "running",
        "pending",
        "running",
        "succeeded",
      ]);
      expect(states?.at(-1)?.[1]).toBe(second.worker);
    }
  });

  test("a worker frozen past its lease cannot write any more when it thaws", async () => {
    await using bundle = await setup(open);
    const { url, log, gateFile } = bundle;
    await using frozen = await WorkerChild.start(url, { concurrency: 10, leaseTtl: TTL_MS });
    const input = { log, gate: gateFile };
    const handles = await gate.delayMany(Array.from({ length: 10 }, () => input));
    await frozen.seen("etask:task:taken", 10);
    await using other = await WorkerChild.start(url, { concurrency: 10, leaseTtl: TTL_MS });

    frozen.signal("SIGSTOP");
    await writeFile(gateFile, "");
    await Promise.all(handles.map((handle) => handle.result({ timeout: "30s" })));
    const before = await Promise.all(handles.map((handle) => handle.state()));
    frozen.signal("SIGCONT");
    await frozen.seen("etask:task:stale", 10);
    await frozen.seen("etask:worker:started", 2);

    const after = await Promise.all(handles.map((handle) => handle.state()));
    expect(after).toEqual(before);
    expect(after.map(({ attempt, worker }) => [attempt, worker])).toEqual(
      handles.map(() => [2, other.worker]),
    );
    const starts = await bundle.starts();
    for (const { id } of handles) {
      const [first, second] = starts.filter((start) => start.id === id);
      expect(second?.fence).toBeGreaterThan(first?.fence as number);
    }
    other.signal("SIGTERM");
    expect(await other.ended()).toBe(0);
    const again = await note.delay({ log });
    expect(await again.result({ timeout: "20s" })).toEqual({ pid: frozen.pid });
  });

  test("a handler that blocks the event loop for three lease times keeps its tasks", async () => {
    await using bundle = await setup(open);
    const { url, log, gateFile } = bundle;
    await using blocked = await WorkerChild.start(url, { concurrency: 2, leaseTtl: 2_000 });
    const waiting = await gate.delay({ log, gate: gateFile });
    await blocked.seen("etask:task:taken", 1);
    const blocking = await block.delay({ ms: 6_000 });
    await blocked.seen("etask:task:taken", 2);
    await using other = await WorkerChild.start(url, { concurrency: 2, leaseTtl: 2_000 });

    expect(await blocking.result({ timeout: "30s" })).toEqual({ pid: blocked.pid });
    await writeFile(gateFile, "");
    expect(await waiting.result({ timeout: "30s" })).toEqual({ pid: blocked.pid });
    expect((await waiting.state()).attempt).toBe(1);
    expect((await blocking.state()).attempt).toBe(1);
    expect(blocked.all("etask:worker:lease-lost")).toEqual([]);
    expect(other.all("etask:task:rescued")).toEqual([]);
  });

  test("SIGTERM waits for running tasks, then gives the rest back uncounted and exits 0", async () => {
    await using bundle = await setup(open);
    const { url, log, gateFile, app } = bundle;
    const options = { concurrency: 3, leaseTtl: 10_000, drain: 500 };
    await using leaving = await WorkerChild.start(url, options);
    const stuck = await gate.delay({ log, gate: gateFile });
    await leaving.seen("etask:task:taken", 1);
    leaving.signal("SIGTERM");
    expect(await leaving.ended()).toBe(0);
    expect(leaving.all("etask:worker:stopped")).toEqual([{ worker: leaving.worker, released: 1 }]);
    const state = await stuck.state();
    expect([state.state, state.attempt]).toEqual(["pending", 0]);
    await writeFile(gateFile, "");
    await using next = await WorkerChild.start(url, options);
    expect(await stuck.result({ timeout: "20s" })).toEqual({ pid: next.pid });
    expect((await app.backend.get(stuck.id))?.attempt).toBe(1);
  });
});

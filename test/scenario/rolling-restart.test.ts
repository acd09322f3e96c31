import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createApp, type TaskHandle } from "../../src/index.ts";
import { scenarioStores } from "./stores.ts";
import { tasks, work } from "./tasks.ts";
import { WorkerChild } from "./worker-child.ts";

const WORKERS = 3;
const TASKS = 3_000;
const BATCH = 100;
const WORKER = { concurrency: 20, leaseTtl: "10s", drain: "20s" } as const;

describe.each(scenarioStores)("$name", ({ open }) => {
  test("a rolling restart of all workers under load loses nothing and starts nothing twice", {
    timeout: 180_000,
  }, async () => {
    await using store = await open();
    await using _app = await createApp({ store: store.url, tasks });
    const log = join(store.directory, "log");
    await writeFile(log, "");
    const children: WorkerChild[] = [];
    await using _children = {
      [Symbol.asyncDispose]: async () => {
        for (const child of children) await child[Symbol.asyncDispose]();
      },
    };
    const start = async () => {
      const child = await WorkerChild.start(store.url, WORKER);
      children.push(child);
      return child;
    };
    const old = await Promise.all(Array.from({ length: WORKERS }, start));

    const handles: TaskHandle[] = [];
    let restarted = false;
    const producing = (async () => {
      // At least so many, and for as long as workers come and go.
      while (handles.length < TASKS || !restarted) {
        const inputs = Array.from({ length: BATCH }, () => ({ log, ms: 5 }));
        handles.push(...(await work.delayMany(inputs)));
        await Promise.all(handles.slice(-BATCH).map((each) => each.settle({ timeout: "60s" })));
      }
    })();
    for (const leaving of old) {
      await start();
      leaving.signal("SIGTERM");
      expect(await leaving.ended()).toBe(0);
      expect(leaving.all("etask:worker:stopped")).toMatchObject([{ released: 0 }]);
    }
    restarted = true;
    await producing;

    const ends = await Promise.all(handles.map((handle) => handle.settle({ timeout: "60s" })));
    expect(ends.filter(({ state }) => state !== "succeeded")).toEqual([]);
    const lines = (await readFile(log, "utf8")).trim().split("\n");
    const starts = lines.map((line) => JSON.parse(line) as { id: string; pid: number });
    const ids = starts.map(({ id }) => id).sort();
    expect(ids).toEqual(handles.map(({ id }) => id).sort());
    const pids = new Set(starts.map(({ pid }) => pid));
    for (const { pid } of old) expect(pids).toContain(pid);
    expect(pids.size).toBeGreaterThan(WORKERS);
  });
});

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type App, createApp } from "../../src/index.ts";
import { type ScenarioStore, scenarioStores } from "./stores.ts";
import { gate, note, obey, tasks } from "./tasks.ts";
import { WorkerChild } from "./worker-child.ts";

const WHO = { reason: "not needed any more", by: "ops" };

interface Bundle extends AsyncDisposable {
  readonly app: App;
  readonly url: string;
  readonly log: string;
  /** What the handlers noted, in order. */
  lines(): Promise<Record<string, unknown>[]>;
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
    lines: async () =>
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
  test("row 11: a running task is cancelled from another process, and its handler is told", async () => {
    await using bundle = await setup(open);
    const { app, url, log } = bundle;
    await using child = await WorkerChild.start(url, { concurrency: 2 });
    const { id } = await obey.delay({ log });
    await child.seen("etask:task:taken");

    expect(await app.broker.cancel(id, WHO)).toMatchObject({ outcome: "requested" });
    const end = await app.handle(id).settle({ timeout: "10s" });

    expect(end).toEqual({ state: "cancelled" });
    const view = await app.backend.get(id);
    expect(view?.cancel).toMatchObject({ ...WHO, forced: false });
    expect(await bundle.lines()).toEqual([
      { id, attempt: 1, pid: child.pid },
      { id, told: "cancelled", code: "ATTEMPT_ABORTED" },
    ]);
    // Its slot is free, and the next task is none of the cancel's business.
    expect(await (await note.delay({ log })).result({ timeout: "10s" })).toEqual({
      pid: child.pid,
    });
  });

  test("row 12: a cancel survives the death of a worker that never heard of it", async () => {
    await using bundle = await setup(open);
    const { app, url, log } = bundle;
    const options = { concurrency: 1, leaseTtl: "2s" } as const;
    await using dying = await WorkerChild.start(url, options);
    const { id } = await gate.delay({ log, gate: `${log}.never` });
    await expect.poll(() => bundle.lines(), { timeout: 10_000 }).toHaveLength(1);
    dying.signal("SIGSTOP");
    await app.broker.cancel(id, { ...WHO, grace: "1h" });
    dying.signal("SIGKILL");
    await using other = await WorkerChild.start(url, options);

    const end = await app.handle(id).settle({ timeout: "20s" });

    expect(end).toEqual({ state: "cancelled" });
    await other.seen("etask:task:rescued");
    expect(other.all("etask:task:rescued")).toMatchObject([{ id, state: "cancelled" }]);
    expect((await bundle.lines()).map(({ pid }) => pid)).toEqual([dying.pid]);
    expect((await app.backend.get(id))?.cancel).toMatchObject({ ...WHO, forced: false });
  });

  test("row 12: a cancel while no worker is there is not forgotten by the next one", async () => {
    await using bundle = await setup(open);
    const { app, url, log } = bundle;
    const waiting = await note.delay({ log });
    const later = await note.delay({ log }, { in: "1s" });
    for (const { id } of [waiting, later]) {
      expect(await app.broker.cancel(id, WHO)).toMatchObject({ outcome: "cancelled" });
    }
    const last = await note.delay({ log }, { in: "1500ms" });
    await using _child = await WorkerChild.start(url, { concurrency: 1 });

    await last.result({ timeout: "20s" });

    expect((await bundle.lines()).map(({ id }) => id)).toEqual([last.id]);
    expect((await app.backend.get(later.id))?.state).toBe("cancelled");
  });

  test("a cancel against the handler's end: the store decides, and both sides agree", async () => {
    await using bundle = await setup(open);
    const { app, url, log } = bundle;
    await using child = await WorkerChild.start(url, { concurrency: 20 });
    const handles = await note.delayMany(Array.from({ length: 100 }, () => ({ log })));
    const receipts = await Promise.all(handles.map(({ id }) => app.broker.cancel(id, WHO)));
    const ends = await Promise.all(handles.map((handle) => handle.settle({ timeout: "20s" })));

    for (const [index, { outcome, state }] of receipts.entries()) {
      const end = ends[index]?.state;
      if (outcome === "cancelled") expect(end).toBe("cancelled");
      else if (outcome === "ended") expect(end).toBe(state);
      else expect(["cancelled", "succeeded"]).toContain(end);
    }
    const started = (await bundle.lines()).map(({ id }) => id);
    expect(new Set(started).size).toBe(started.length);
    const succeeded = handles.filter((_, index) => ends[index]?.state === "succeeded");
    expect(started).toEqual(expect.arrayContaining(succeeded.map(({ id }) => id)));
    child.signal("SIGTERM");
    expect(await child.ended()).toBe(0);
  });
});

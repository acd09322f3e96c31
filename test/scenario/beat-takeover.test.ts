import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createApp } from "../../src/index.ts";
import { scenarioStores } from "./stores.ts";
import { block, note, tasks } from "./tasks.ts";
import { WorkerChild } from "./worker-child.ts";

const TTL_MS = 2_000;
const BEAT = { beat: { leaseTtl: TTL_MS } };

/** Two worker processes, of which the first one leads the Beat. */
async function startPair(url: string): Promise<[WorkerChild, WorkerChild]> {
  const first = await WorkerChild.start(url, { leaseTtl: TTL_MS }, BEAT);
  await first.seen("etask:beat:elected");
  const second = await WorkerChild.start(url, { leaseTtl: TTL_MS }, BEAT);
  return [first, second];
}

describe.each(scenarioStores)("$name", ({ open }) => {
  test("a Beat that is killed is followed within its lease and 2 s, and nothing due is lost", async () => {
    await using store = await open();
    await using _app = await createApp({ store: store.url, tasks });
    const log = join(store.directory, "log");
    await writeFile(log, "");
    const [first, second] = await startPair(store.url);
    await using _first = first;
    await using _second = second;
    const handle = await note.delay({ log }, { in: "1s" });

    first.signal("SIGKILL");
    const killedAt = performance.now();
    await second.seen("etask:beat:elected");
    const tookMs = performance.now() - killedAt;

    expect(tookMs).toBeLessThan(TTL_MS + 2_000);
    expect(await handle.result({ timeout: "10s" })).toEqual({ pid: second.pid });
  });

  test("a Beat that is told to stop is followed at once, and exits with 0", async () => {
    await using store = await open();
    const [first, second] = await startPair(store.url);
    await using _first = first;
    await using _second = second;

    first.signal("SIGTERM");
    const toldAt = performance.now();
    await second.seen("etask:beat:elected");
    const tookMs = performance.now() - toldAt;

    expect(tookMs).toBeLessThan(1_000);
    expect(second.all("etask:beat:resigned")).toEqual([]);
    expect(await first.ended()).toBe(0);
  });

  test("a Beat whose event loop is blocked is followed, though its worker keeps its tasks", async () => {
    await using store = await open();
    await using _app = await createApp({ store: store.url, tasks });
    const first = await WorkerChild.start(store.url, { leaseTtl: TTL_MS }, BEAT);
    await using _first = first;
    await first.seen("etask:beat:elected");
    const second = await WorkerChild.start(store.url, { queues: ["other"] }, BEAT);
    await using _second = second;

    const blocking = await block.delay({ ms: 8_000 });
    await second.seen("etask:beat:elected");
    expect((await blocking.state()).state).toBe("running");
    expect(await blocking.result({ timeout: "30s" })).toEqual({ pid: first.pid });
    await first.seen("etask:beat:resigned");
    expect(first.all("etask:beat:resigned")).toMatchObject([{ lost: true }]);
    expect((await blocking.state()).attempt).toBe(1);
  });
});

import { readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
import { type App, createApp, type TaskHandle } from "../../src/index.ts";
import { scenarioStores } from "../scenario/stores.ts";
import { WorkerChild } from "../scenario/worker-child.ts";
import { startHogs } from "./support.ts";

// Real processes on the real machine: hogs that want every processor beside a worker that measures
// it. Whatever else runs on the machine is no hog of ours, so resuming is timed from when the
// machine was calm, as this test sees it for itself.

const LIMIT = 0.9;
const CALM = 0.65;
const ROOM = "etask:worker:room";
const TAKEN = "etask:task:taken";
const FINISHED = "etask:task:finished";
const PROGRAM = new URL("./worker-program.ts", import.meta.url);

async function processorTimes(): Promise<{ busy: number; total: number }> {
  const [line = ""] = (await readFile("/proc/stat", "utf8")).split("\n");
  const ticks = line.split(/ +/).slice(1, 9).map(Number);
  const total = ticks.reduce((sum, each) => sum + each, 0);
  return { total, busy: total - (ticks[3] ?? 0) - (ticks[4] ?? 0) };
}

/** Resolves when the machine was calm for `seconds` in a row, measured second by second. */
async function calmFor(seconds: number, signal: AbortSignal): Promise<void> {
  for (let calm = 0; calm < seconds; ) {
    const before = await processorTimes();
    await wait(1_000, undefined, { signal });
    const now = await processorTimes();
    const share = (now.busy - before.busy) / (now.total - before.total);
    calm = share < CALM ? calm + 1 : 0;
  }
}

/** @throws when others keep the machine too busy to see what hogs of ours do. */
async function untilCalm(): Promise<void> {
  const over = AbortSignal.timeout(120_000);
  await calmFor(3, over).catch((cause: unknown) => {
    throw new Error("Others keep this machine too busy for this test; run it by itself.", {
      cause,
    });
  });
}

/** Whether `event` happens before the machine has been calm for so long. */
async function withinCalm(seconds: number, event: Promise<unknown>): Promise<boolean> {
  const over = new AbortController();
  const calm = calmFor(seconds, over.signal).catch(() => {});
  const first = await Promise.race([event.then(() => true), calm.then(() => false)]);
  over.abort();
  return first;
}

async function startLatencies(app: App, count: number): Promise<number[]> {
  const found: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const handle: TaskHandle = await app.enqueue("quick", Date.now());
    found.push((await handle.result({ timeout: "30s" })) as number);
  }
  return found.sort((a, b) => a - b);
}

for (const { name, open } of scenarioStores.filter(({ name }) => name !== "etcd 3.4")) {
  test(`hog: idle work stops within 5 s and resumes within 15 s, on ${name}`, {
    timeout: 300_000,
  }, async () => {
    await untilCalm();
    await using opened = await open();
    const options = { concurrency: 3, idle: { cpu: LIMIT, eventLoopDelay: "1m" } } as const;
    await using app = await createApp({ store: opened.url, tasks: [], beat: false });
    await using worker = await WorkerChild.start(opened.url, options, {}, PROGRAM);
    await worker.seenThat(ROOM, ({ idle }) => idle === true);
    await app.enqueue("scrub", 3_600_000, { when: "idle", preempt: true, id: "given" });
    await worker.seen(TAKEN);

    await using hogs = await startHogs(2);
    const begun = performance.now();
    const busy = await worker.seenThat(ROOM, ({ idle }) => idle === false, worker.all(ROOM).length);
    expect(busy.why).toEqual([
      expect.stringMatching(/^others use \d+ % of the CPU \(limit 72 %\)$/),
    ]);
    await worker.seenThat(FINISHED, ({ id }) => id === "given");
    expect(performance.now() - begun).toBeLessThan(5_000);
    expect(worker.all(FINISHED).at(-1)).toMatchObject({ id: "given", state: "released" });

    await app.enqueue("scrub", 0, { when: "idle", id: "later" });
    await startLatencies(app, 20);
    const idle = worker.all(TAKEN).filter((event) => event.name === "scrub");
    expect(idle.map(({ id }) => id)).toEqual(["given"]);
    // It says so at most 3 s later.
    const shown = async () => (await app.broker.workers())[0]?.room;
    const told = { idle: false, why: [expect.stringContaining("CPU")] };
    await expect.poll(shown, { timeout: 5_000 }).toMatchObject(told);

    await hogs[Symbol.asyncDispose]();
    const taken = worker.seenThat(TAKEN, ({ id }) => id === "later");
    expect(await withinCalm(15, taken)).toBe(true);
  });
}

test("hog: idle work of one's own is none, so it ends although it wants a whole processor", {
  timeout: 300_000,
}, async () => {
  await untilCalm();
  const { open } = scenarioStores[0] as (typeof scenarioStores)[number];
  await using opened = await open();
  const options = { concurrency: 3, idle: { cpu: 0.6, eventLoopDelay: "1m" } } as const;
  await using app = await createApp({ store: opened.url, tasks: [], beat: false });
  await using worker = await WorkerChild.start(opened.url, options, {}, PROGRAM);
  await worker.seenThat(ROOM, ({ idle }) => idle === true);
  const handle = await app.enqueue("grind", 6_000, { when: "idle", preempt: true });
  await handle.result({ timeout: "4m" });
});

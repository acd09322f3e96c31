import { readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
import { type App, createApp } from "../../src/index.ts";
import { type ScenarioStore, scenarioStores } from "../scenario/stores.ts";
import { WorkerChild } from "../scenario/worker-child.ts";
import { startHogs } from "./support.ts";

// Real processes on the real machine: hogs that want every processor, beside a worker that measures
// it. Others may use the machine, too, and then there rightly is no room. So whatever waits for room
// is timed from when the machine was calm, as this test sees it for itself, and when others do not
// let it become calm, all that can be seen is that the worker stays out.

/** Below this the machine is calm: less than four fifths of all limits used here. */
const CALM = 0.45;
const RESUME_S = 15;
/** When others kept the machine busy for so long, they will go on. */
const BUSY_MS = 60_000;
const ROOM = "etask:worker:room";
const TAKEN = "etask:task:taken";
const FINISHED = "etask:task:finished";
const PROGRAM = new URL("./worker-program.ts", import.meta.url);

const ONLY_BUSY = "Others kept the machine busy, so it was only seen that idle work stays out.";

/** What all processors have done but for the process `except`, in ticks. */
async function processorTimes(except: number): Promise<{ busy: number; total: number }> {
  const [line = ""] = (await readFile("/proc/stat", "utf8")).split("\n");
  const ticks = line.split(/ +/).slice(1, 9).map(Number);
  const total = ticks.reduce((sum, each) => sum + each, 0);
  const stat = await readFile(`/proc/${except}/stat`, "utf8");
  const [user = 0, system = 0] = stat
    .slice(stat.lastIndexOf(")"))
    .split(" ")
    .slice(12, 14)
    .map(Number);
  return { total, busy: total - (ticks[3] ?? 0) - (ticks[4] ?? 0) - user - system };
}

/** Resolves when all but `except` were calm for {@link RESUME_S} in a row, as of each second. */
async function calmLongEnough(except: number, signal: AbortSignal): Promise<"calm"> {
  for (let calm = 0; calm < RESUME_S; ) {
    const before = await processorTimes(except);
    await wait(1_000, undefined, { signal });
    const now = await processorTimes(except);
    const share = (now.busy - before.busy) / (now.total - before.total);
    calm = share < CALM ? calm + 1 : 0;
  }
  return "calm";
}

/**
 * Waits for what happens once there is room. Returns whether it did; `false` when others kept the
 * machine busy all the time.
 *
 * @throws when the machine was calm for long enough and nothing happened.
 */
async function happensWhenCalm(except: number, event: Promise<unknown>): Promise<boolean> {
  const over = new AbortController();
  const first = await Promise.race([
    event.then(() => "happened" as const),
    calmLongEnough(except, over.signal),
    wait(BUSY_MS, "busy" as const, { signal: over.signal }),
  ]).finally(() => over.abort());
  expect(first).not.toBe("calm");
  return first === "happened";
}

async function runQuick(app: App, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    await (await app.enqueue("quick", n)).result({ timeout: "30s" });
  }
}

/** A worker beside whatever else there is. */
async function start(open: () => Promise<ScenarioStore>, cpu: number) {
  const opened = await open();
  const options = { concurrency: 3, idle: { cpu, eventLoopDelay: "1m" } } as const;
  const app = await createApp({ store: opened.url, tasks: [], beat: false });
  const worker = await WorkerChild.start(opened.url, options, {}, PROGRAM);
  return {
    app,
    worker,
    hasRoom: () => worker.all(ROOM).at(-1)?.idle === true,
    takenIdle: () => worker.all(TAKEN).flatMap(({ name, id }) => (name === "quick" ? [] : [id])),
    [Symbol.asyncDispose]: async () => {
      await worker[Symbol.asyncDispose]();
      await app.close();
      await opened[Symbol.asyncDispose]();
    },
  };
}

for (const { name, open } of scenarioStores.filter(({ name }) => name !== "etcd 3.4")) {
  test(`hog: idle work stops within 5 s and resumes within 15 s, on ${name}`, {
    timeout: 240_000,
  }, async ({ annotate }) => {
    await using place = await start(open, 0.9);
    const { app, worker, takenIdle } = place;
    await app.enqueue("scrub", 3_600_000, { when: "idle", preempt: true, id: "given" });
    if (!(await happensWhenCalm(worker.pid, worker.seen(TAKEN)))) {
      expect([place.hasRoom(), takenIdle()]).toEqual([false, []]);
      await annotate(ONLY_BUSY);
      return;
    }
    const said = worker.all(ROOM).length;
    await using hogs = await startHogs(2);
    const begun = performance.now();
    const busy = await worker.seenThat(ROOM, ({ idle }) => idle === false, said);
    expect(busy.why).toContainEqual(
      expect.stringMatching(/^others use \d+ % of the CPU \(limit 72 %\)$/),
    );
    await worker.seenThat(FINISHED, ({ id }) => id === "given");
    expect(performance.now() - begun).toBeLessThan(5_000);
    expect(worker.all(FINISHED).at(-1)).toMatchObject({ id: "given", state: "released" });

    await app.enqueue("scrub", 0, { when: "idle", id: "later" });
    await runQuick(app, 20);
    expect(takenIdle()).toEqual(["given"]);
    // It says so at most 3 s later.
    const shown = async () => (await app.broker.workers())[0]?.room;
    const told = { idle: false, why: [expect.stringContaining("CPU")] };
    await expect.poll(shown, { timeout: 5_000 }).toMatchObject(told);

    await hogs[Symbol.asyncDispose]();
    const later = worker.seenThat(TAKEN, ({ id }) => id === "later");
    if (await happensWhenCalm(worker.pid, later)) return;
    expect(place.hasRoom()).toBe(false);
    await annotate(ONLY_BUSY);
  });
}

test("hog: idle work of one's own is none, so it ends although it wants a whole processor", {
  timeout: 180_000,
}, async ({ annotate }) => {
  const { open } = scenarioStores[0] as (typeof scenarioStores)[number];
  await using place = await start(open, 0.6);
  const { app, worker } = place;
  const handle = await app.enqueue("grind", 6_000, { when: "idle", preempt: true });
  if (!(await happensWhenCalm(worker.pid, worker.seen(TAKEN)))) {
    expect([place.hasRoom(), place.takenIdle()]).toEqual([false, []]);
    await annotate(ONLY_BUSY);
    return;
  }
  if (!(await happensWhenCalm(worker.pid, handle.result()))) await annotate(ONLY_BUSY);
});

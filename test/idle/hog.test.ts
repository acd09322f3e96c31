import { expect, test } from "vitest";
import { type App, createApp, type WorkerOptions } from "../../src/index.ts";
import { type ScenarioStore, scenarioStores } from "../scenario/stores.ts";
import { WorkerChild } from "../scenario/worker-child.ts";
import { happensWhenCalm, ONLY_BUSY } from "./calm.ts";
import { startHogs } from "./support.ts";

// Real processes on the real machine: hogs that want every processor, beside a worker that measures
// it. Others may use the machine, too, and then there rightly is no room. So whatever waits for
// room is timed from when the machine was calm, as this test sees it for itself, and when others do
// not let it become calm, all that can be seen is that the worker stays out.

const ROOM = "etask:worker:room";
const TAKEN = "etask:task:taken";
const FINISHED = "etask:task:finished";
const RESIZED = "etask:worker:resized";
const PROGRAM = new URL("./worker-program.ts", import.meta.url);

async function runQuick(app: App, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    await (await app.enqueue("quick", n)).result({ timeout: "30s" });
  }
}

/** A worker beside whatever else there is. */
async function start(
  open: () => Promise<ScenarioStore>,
  cpu: number,
  concurrency: NonNullable<WorkerOptions["concurrency"]> = 3,
) {
  const opened = await open();
  const options = { concurrency, idle: { cpu, eventLoopDelay: "1m" } } as const;
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

test("autoscale: a worker grows while tasks wait, and shrinks when they have ended", {
  timeout: 240_000,
}, async ({ annotate }) => {
  const { open } = scenarioStores[0] as (typeof scenarioStores)[number];
  await using place = await start(open, 0.9, { min: 1, max: 4 });
  const { app, worker } = place;
  for (let n = 0; n < 12; n += 1) await app.enqueue("scrub", 3_000);
  const resized = (to: number) => worker.seenThat(RESIZED, (event) => event.to === to);
  if (!(await happensWhenCalm(worker.pid, resized(4)))) {
    await annotate(ONLY_BUSY);
    return;
  }
  // Whether it was not used or others took the host: slots go, one at a time.
  const isFewer = ({ from, to }: Record<string, unknown>) => Number(to) < Number(from);
  const grown = worker.all(RESIZED).findLastIndex(({ to }) => to === 4);
  const fewer = await worker.seenThat(RESIZED, isFewer, grown);
  expect(fewer).toMatchObject({ from: 4, to: 3 });
  const shown = async () => (await app.broker.workers())[0];
  await expect.poll(shown, { timeout: 5_000 }).toMatchObject({ scale: { min: 1, max: 4 } });
});

import { expect, test } from "vitest";
import type { Overlap } from "../../src/schedule/schedule-record.ts";
import { defineTask } from "../../src/task/task.ts";
import { createScheduleWorld, steps } from "./support/schedules.ts";
import { defineHeldTask } from "./support/tasks.ts";

/** A schedule of every 10 s whose runs go on until the test ends them. */
async function setup(overlap: Overlap | undefined) {
  const held = defineHeldTask("held");
  const bundle = await createScheduleWorld([held.task]);
  const { world, app } = bundle;
  const worker = app.createWorker({ concurrency: 200 });
  await world.drive(worker.start());
  const options = overlap === undefined ? {} : { overlap };
  await app.schedules.create("s", { task: held.task, every: "10s", ...options });
  bundle.tick();
  return {
    ...bundle,
    held,
    /** Ends the runs so far but for those that have ended. */
    end: async (...calls: number[]) => {
      for (const call of calls) held.calls[call]?.end.resolve("done");
      await world.clock.advance(1_000);
    },
    /** When runs were started, in seconds after the start. */
    started: () => held.calls.map(({ ctx }) => ctx.id),
    view: async () => {
      const view = await app.schedules.get("s");
      if (!view) throw new Error("The schedule is gone.");
      return view;
    },
    [Symbol.asyncDispose]: async () => {
      for (const { end } of held.calls) end.resolve("over");
      await bundle[Symbol.asyncDispose]();
    },
  };
}

test("overlap: by default a run is left out while the one before has not ended", async () => {
  await using s = await setup(undefined);
  await s.world.clock.advance(35_000);
  expect(s.ticked("s")).toEqual([10]);
  expect(s.skipped("s")).toEqual([
    [20, "overlap"],
    [30, "overlap"],
  ]);
  await s.end(0);
  await s.world.clock.advance(10_000);
  expect(s.ticked("s")).toEqual([10, 40]);
  const { runs, fired, skipped } = await s.view();
  expect(runs.map(({ state }) => state)).toEqual(["succeeded", "running"]);
  expect([fired, skipped]).toEqual([2, 2]);
});

test("overlap: bufferOne starts one run as soon as the one before has ended", async () => {
  await using s = await setup("bufferOne");
  await s.world.clock.advance(35_000);
  expect(s.ticked("s")).toEqual([10]);
  expect(s.skipped("s")).toEqual([[30, "overlap"]]);
  expect((await s.view()).buffered).toHaveLength(1);
  await s.end(0);
  expect(s.ticked("s")).toEqual([10, 20]);
  expect(s.started()).toEqual([s.idAt("s", 10), s.idAt("s", 20)]);
  expect((await s.view()).buffered).toEqual([]);
  await s.end(1);
  await s.world.clock.advance(10_000);
  expect(s.ticked("s")).toEqual([10, 20, 40]);
});

test("overlap: bufferAll runs them all, one after the other, and keeps a hundred at most", async () => {
  await using s = await setup("bufferAll");
  await s.world.clock.advance(35_000);
  for (let call = 0; call < 3; call += 1) await s.end(call);
  expect(s.ticked("s")).toEqual([10, 20, 30]);
  expect(s.held.runningMax()).toBe(1);
  await s.world.clock.advance(1_100_000);
  const { buffered, skipped } = await s.view();
  expect(buffered).toHaveLength(100);
  expect(s.skipped("s")).toHaveLength(skipped);
  expect(s.skipped("s").every(([, why]) => why === "buffer-full")).toBe(true);
  expect(skipped).toBeGreaterThan(5);
});

test("overlap: allow runs them side by side", async () => {
  await using s = await setup("allow");
  await s.world.clock.advance(155_000);
  expect(s.ticked("s")).toEqual(steps(15, 10));
  expect(s.held.running()).toBe(15);
  expect((await s.view()).runs.every(({ state }) => state === "running")).toBe(true);
});

test("overlap: cancelOther cancels what waits and starts the new run at once", async () => {
  await using bundle = await createScheduleWorld();
  const { world, app } = bundle;
  await app.schedules.create("s", { task: "nobody", every: "10s", overlap: "cancelOther" });
  bundle.tick();
  await world.clock.advance(30_500);
  expect(bundle.ticked("s")).toEqual([10, 20, 30]);
  const states = (await app.schedules.get("s"))?.runs.map(({ state }) => state);
  expect(states).toEqual(["cancelled", "cancelled", "pending"]);
  const cancelled = await app.backend.get(bundle.idAt("s", 10));
  expect(cancelled?.cancel).toMatchObject({
    by: "beat",
    reason: "The next run of the schedule s is due.",
  });
});

test("overlap: cancelOther waits until a running one has obeyed, and runs the newest", async () => {
  let obeys = false;
  const stubborn = defineTask({
    name: "stubborn",
    run: (_input: undefined, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          if (obeys) reject(signal.reason);
        });
      }),
  });
  await using bundle = await createScheduleWorld([stubborn]);
  const { world, app } = bundle;
  const worker = app.createWorker();
  await world.drive(worker.start());
  await app.schedules.create("s", { task: stubborn, every: "5s", overlap: "cancelOther" });
  const ticker = bundle.tick();
  await world.clock.advance(6_000);
  expect(bundle.ticked("s")).toEqual([5]);
  obeys = true;
  await world.clock.advance(5_500);
  expect(bundle.ticked("s")).toEqual([5, 10]);
  const [first, second] = (await app.schedules.get("s"))?.runs ?? [];
  expect([first?.state, second?.state]).toEqual(["cancelled", "running"]);
  await ticker.stop();
});

test("overlap: a run that waits for its jitter counts as one that has not ended", async () => {
  await using bundle = await createScheduleWorld();
  const { world, app } = bundle;
  await app.schedules.create("s", { task: "t", every: "10s", jitter: "1d" });
  bundle.tick();
  await world.clock.advance(25_000);
  expect(bundle.ticked("s")).toEqual([10]);
  expect(bundle.skipped("s")).toEqual([[20, "overlap"]]);
  expect((await app.schedules.get("s"))?.runs[0]?.state).toBe("scheduled");
});

test("overlap: what waits is started by the next Beat when one is gone", async () => {
  await using s = await setup("bufferOne");
  await s.world.clock.advance(25_000);
  const { app, world } = s;
  await app.schedules.pause("s");
  await s.end(0);
  await world.clock.advance(5_000);
  expect(s.ticked("s")).toEqual([10]);
  await app.schedules.resume("s");
  await world.clock.advance(1_000);
  expect(s.ticked("s")).toEqual([10, 20]);
});

test("overlap: a run whose task was removed has ended", async () => {
  await using bundle = await createScheduleWorld();
  const { world, app } = bundle;
  await app.schedules.create("s", { task: "t", every: "10s" });
  bundle.tick();
  await world.clock.advance(15_000);
  await app.backend.remove(bundle.idAt("s", 10));
  await world.clock.advance(6_000);
  expect(bundle.ticked("s")).toEqual([10, 20]);
  const states = (await app.schedules.get("s"))?.runs.map(({ state }) => state);
  expect(states).toEqual(["removed", "pending"]);
});

test("overlap: one that was triggered by hand is waited for like any other", async () => {
  await using s = await setup("skip");
  const { app, world } = s;
  await world.clock.advance(5_000);
  const handle = await app.schedules.trigger("s");
  await world.clock.advance(6_000);
  expect(s.ticked("s")).toEqual([]);
  expect(s.skipped("s")).toEqual([[10, "overlap"]]);
  await s.end(0);
  await world.clock.advance(9_000);
  expect(s.ticked("s")).toEqual([20]);
  expect((await s.view()).runs[0]).toMatchObject({
    id: handle.id,
    state: "succeeded",
    triggered: true,
  });
});

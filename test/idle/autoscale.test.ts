import { expect, test } from "vitest";
import type { HostSample } from "../../src/worker/host/host-meter.ts";
import { Worker } from "../../src/worker/worker.ts";
import type { WorkerOptions } from "../../src/worker/worker-options.ts";
import { noteEvents } from "../queue/support/events.ts";
import { defineHeldTask } from "../queue/support/tasks.ts";
import { createWorld } from "../queue/support/world.ts";

const AT_REST: HostSample = { cpuUsed: 0, cpuOthers: 0, memoryFree: 1, eventLoopDelayMs: 0 };

/** A worker on a host that is as the test says. */
async function setup(options: WorkerOptions, tasks = 100) {
  const world = createWorld();
  const held = defineHeldTask<number>("held");
  const app = await world.app([held.task]);
  const host = { sample: AT_REST };
  const worker = new Worker(
    {
      store: world.storage.open(),
      world,
      registry: app.registry,
      resultBytesMax: 1_000,
      openMeter: () => ({ sample: () => host.sample, close: () => {} }),
    },
    options,
  );
  await world.drive(worker.start());
  await held.task.delayMany(Array.from({ length: tasks }, (_, n) => n));
  return {
    world,
    app,
    held,
    host,
    /** Ends all that runs, until nothing waits. */
    endAll: async () => {
      await world.until(() => {
        for (const { end } of held.calls) end.resolve(0);
        return held.calls.length === tasks && held.running() === 0;
      });
    },
    [Symbol.asyncDispose]: async () => {
      for (const { end } of held.calls) end.resolve(0);
      await world.drive(worker.stop());
      await world[Symbol.asyncDispose]();
    },
  };
}

const resizes = (log: { seen: readonly { from: number; to: number; why: string }[] }) =>
  log.seen.map(({ from, to, why }) => `${from} to ${to}: ${why}`);

test("autoscale: slots grow while tasks wait, up to the bound, and go when they are not used", async () => {
  using resized = noteEvents("etask:worker:resized");
  await using place = await setup({ concurrency: { min: 2, max: 12 } });
  const { world, app, held } = place;
  await world.clock.advance(500);
  expect(held.running()).toBe(2);
  await world.until(() => held.running() === 12);
  await world.clock.advance(20_000);
  expect(held.runningMax()).toBe(12);
  expect(resizes(resized)).toEqual([
    "2 to 3: tasks wait",
    "3 to 5: tasks wait",
    "5 to 8: tasks wait",
    "8 to 12: tasks wait",
  ]);
  expect((await app.broker.workers())[0]).toMatchObject({
    concurrency: 12,
    scale: { min: 2, max: 12 },
  });
  await place.endAll();
  await world.clock.advance(300_000);
  expect(resizes(resized).slice(4)).toEqual([
    ...["12 to 9: not used", "9 to 6: not used", "6 to 4: not used"],
    ...["4 to 3: not used", "3 to 2: not used"],
  ]);
  expect((await app.broker.workers())[0]?.concurrency).toBe(2);
});

test("autoscale: a host without room keeps it small, and one that fills up makes it smaller", async () => {
  await using place = await setup({ concurrency: { min: 2, max: 12 } });
  const { world, held, host } = place;
  host.sample = { ...AT_REST, cpuUsed: 0.85 };
  await world.clock.advance(30_000);
  expect(held.running()).toBe(2);
  host.sample = AT_REST;
  await world.until(() => held.running() === 8);
  host.sample = { ...AT_REST, memoryFree: 0.05 };
  using resized = noteEvents("etask:worker:resized");
  await world.clock.advance(60_000);
  expect(resizes(resized).at(-1)).toBe("3 to 2: the host is full");
  // No handler is stopped: the slots are only fewer for what comes next.
  expect(held.running()).toBe(8);
  for (const { end } of held.calls) end.resolve(0);
  await world.until(() => held.calls.length > 8);
  await world.clock.advance(30_000);
  expect(held.running()).toBe(2);
});

test("autoscale: it grows for idle tasks, too, while there is room for them", async () => {
  let room = false;
  const idle = { probe: () => room };
  await using place = await setup({ concurrency: { min: 1, max: 4 }, idle }, 0);
  const { world, held } = place;
  await held.task.delayMany([1, 2, 3, 4, 5, 6], { when: "idle" });
  await world.clock.advance(30_000);
  expect(held.running()).toBe(0);
  room = true;
  await world.until(() => held.running() === 3);
  await world.clock.advance(30_000);
  expect(held.runningMax()).toBe(3);
  for (let ended = 0; ended < 6; ended += 1) {
    await world.until(() => held.calls.length > ended);
    held.calls[ended]?.end.resolve(0);
  }
});

test("autoscale: a worker with a fixed concurrency keeps it", async () => {
  using resized = noteEvents("etask:worker:resized");
  await using place = await setup({ concurrency: 3 });
  await place.world.clock.advance(60_000);
  expect([place.held.running(), resized.seen.length]).toEqual([3, 0]);
  expect((await place.app.broker.workers())[0]?.scale).toBeUndefined();
});

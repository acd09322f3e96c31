import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { expect, test } from "vitest";
import { createSeededRandom } from "../testing/seeded-random.ts";
import { createVirtualClock } from "../testing/virtual-clock.ts";
import { pause, runLoop } from "./loop.ts";

function setup() {
  const clock = createVirtualClock();
  const failures: unknown[] = [];
  const listen = (event: unknown) => failures.push(event);
  subscribe("etask:loop:failed", listen);
  return {
    world: { clock, random: createSeededRandom(1) },
    clock,
    failures,
    [Symbol.dispose]: () => {
      unsubscribe("etask:loop:failed", listen);
    },
  };
}

test("loop: a body that returns ends the loop", async () => {
  using bundle = setup();
  let runs = 0;
  await runLoop("test", bundle.world, new AbortController().signal, async () => {
    runs += 1;
  });
  expect(runs).toBe(1);
  expect(bundle.failures).toEqual([]);
});

test("loop: a body that throws is published and run again, after pauses that grow", async () => {
  using bundle = setup();
  const { clock, failures } = bundle;
  const controller = new AbortController();
  const error = new Error("no");
  const startedAtMs: number[] = [];
  const ended = runLoop("test", bundle.world, controller.signal, async () => {
    startedAtMs.push(clock.monotonic());
    throw error;
  });
  await clock.advance(60_000);
  controller.abort();
  await ended;
  expect(failures[0]).toEqual({ loop: "test", error });
  const pauses = startedAtMs.slice(1).map((at, index) => at - (startedAtMs[index] ?? 0));
  expect(pauses[0]).toBeGreaterThanOrEqual(25);
  expect(pauses[0]).toBeLessThanOrEqual(50);
  for (const ms of pauses.slice(6)) expect(ms).toBeGreaterThanOrEqual(1_000);
  for (const ms of pauses) expect(ms).toBeLessThanOrEqual(2_000);
});

test("loop: after a long good run the pauses begin anew", async () => {
  using bundle = setup();
  const { clock } = bundle;
  const controller = new AbortController();
  const failedAtMs: number[] = [];
  const startedAtMs: number[] = [];
  const ended = runLoop("test", bundle.world, controller.signal, async (signal) => {
    startedAtMs.push(clock.monotonic());
    if (startedAtMs.length === 10) await clock.sleep(20_000, signal);
    failedAtMs.push(clock.monotonic());
    throw new Error("no");
  });
  await clock.advance(60_000);
  controller.abort();
  await ended;
  expect((startedAtMs[10] ?? 0) - (failedAtMs[9] ?? 0)).toBeLessThanOrEqual(50);
});

test("loop: an abort ends it without a failure, in the body or in the pause", async () => {
  using bundle = setup();
  const { clock, failures } = bundle;
  const during = new AbortController();
  const body = (signal: AbortSignal) => clock.sleep(1_000, signal);
  const ended = runLoop("test", bundle.world, during.signal, body);
  during.abort();
  await ended;
  expect(failures).toEqual([]);
  const between = new AbortController();
  let runs = 0;
  const paused = runLoop("test", bundle.world, between.signal, async () => {
    runs += 1;
    throw new Error("no");
  });
  await clock.settle();
  between.abort();
  await paused;
  expect(runs).toBe(1);
});

test("loop: a pause returns when its time is over or its signal aborts", async () => {
  using bundle = setup();
  const controller = new AbortController();
  const whole = pause(bundle.world, 100, controller.signal);
  await bundle.clock.advance(100);
  await whole;
  const cut = pause(bundle.world, 100, controller.signal);
  controller.abort();
  await cut;
});

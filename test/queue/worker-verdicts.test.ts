/** What becomes of attempts in the corners: limits, wishes and rules that meet. */
import { expect, test } from "vitest";
import { put } from "../../src/store/part.ts";
import { prefixRange } from "../../src/store/range.ts";
import { TimeoutError } from "../../src/task/failure.ts";
import { signalKey } from "../../src/task/keyspace.ts";
import { snooze } from "../../src/task/outcome.ts";
import { encodeRecord } from "../../src/task/records.ts";
import { defineTask } from "../../src/task/task.ts";
import { noteEvents } from "./support/events.ts";
import { dropSessions } from "./support/sessions.ts";
import { defineHeldTask } from "./support/tasks.ts";
import { createWorld } from "./support/world.ts";

const AGAIN = { attempts: 5, backoff: "immediate" } as const;

test.each([
  ["its code", ["ATTEMPT_TIMEOUT"]],
  ["its name", ["TimeoutError"]],
  ["its class", [TimeoutError]],
] as const)("timeout: noRetry with %s makes it final, soft and hard", async (_what, noRetry) => {
  for (const timeout of [{ soft: "1s" }, { hard: "1s" }] as const) {
    await using world = createWorld();
    const task = defineTask({
      name: "slow",
      timeout,
      retry: { ...AGAIN, noRetry },
      run: (_input: undefined, { signal }) => world.clock.sleep(60_000, signal),
    });
    await (await world.app([task])).createWorker().start();
    const handle = await task.delay(undefined);
    await world.drive(handle.settle());
    expect(await handle.state()).toMatchObject({ attempt: 1, reason: "no-retry" });
  }
});

test("timeout: retryIf and a backoff function are asked about a TimeoutError", async () => {
  await using world = createWorld();
  const asked: unknown[] = [];
  const task = defineTask({
    name: "slow",
    timeout: "1s",
    retry: {
      attempts: 2,
      retryIf: (error) => asked.push(error) > 0,
      backoff: (_attempt, error) => asked.push(error),
    },
    run: (_input: undefined, { signal }) => world.clock.sleep(60_000, signal),
  });
  await (await world.app([task])).createWorker().start();
  await world.drive((await task.delay(undefined)).settle());
  expect(asked).toHaveLength(3);
  for (const error of asked) {
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error).toMatchObject({ cause: { code: "ATTEMPT_ABORTED", reason: "timeout" } });
  }
});

test("retryIf: an answer that is no yes or no fails the task, and says so", async () => {
  await using world = createWorld();
  const retryIf = (async () => true) as unknown as () => boolean;
  const task = defineTask({
    name: "t",
    retry: { ...AGAIN, retryIf },
    run: () => {
      throw new Error("boom");
    },
  });
  await (await world.app([task])).createWorker().start();
  const end = await world.drive((await task.delay()).settle());
  expect(end).toMatchObject({
    state: "failed",
    error: {
      code: "INVALID_OPTIONS",
      message: expect.stringContaining("retry.retryIf must return true or false"),
      cause: { message: "boom" },
    },
  });
});

test("total timeout: a task whose time was over when it was taken is not started", async () => {
  await using world = createWorld();
  let calls = 0;
  const task = defineTask({ name: "t", totalTimeout: "1m", run: () => ++calls });
  const app = await world.app([task], { beat: false });
  const handle = await task.delay();
  await world.clock.advance(61_000);
  await app.createWorker().start();
  await world.drive(handle.settle());
  expect(await handle.state()).toMatchObject({ state: "failed", reason: "total-timeout" });
  expect(calls).toBe(0);
});

test("total timeout: a snooze that would end after it is no snooze", async () => {
  await using world = createWorld();
  const task = defineTask({ name: "t", totalTimeout: "1m", run: () => snooze("2m") });
  await (await world.app([task])).createWorker().start();
  const handle = await task.delay();
  await world.drive(handle.settle());
  expect((await handle.state()).reason).toBe("total-timeout");
});

test("cancel: one that came too late for a generation does not meet the next one", async () => {
  await using world = createWorld();
  const held = defineHeldTask("held");
  const app = await world.app([held.task]);
  const worker = app.createWorker();
  await worker.start();
  const handle = await held.task.delay();
  await world.until(() => held.calls.length === 1);
  const cancelling = handle.cancel();
  held.calls[0]?.end.resolve("first");
  await world.drive(cancelling);
  await world.drive(handle.settle());
  // The signal may still be there, as after a watch that was cut off.
  const signal = put(signalKey(worker.id ?? "", handle.id), encodeRecord({ kind: "cancel" }));
  await world.store.commit([{ guards: [], writes: [signal] }]);
  await handle.retry();
  await world.until(() => held.calls.length === 2);
  await world.clock.advance(60_000);
  expect(held.calls[1]?.ctx.signal.aborted).toBe(false);
  held.calls[1]?.end.resolve("second");
  await world.until(async () => (await handle.state()).state === "succeeded");
  expect(await handle.state()).toMatchObject({ result: "second", generation: 2 });
});

test("stop: a worker that leaves leaves no signals behind", async () => {
  await using world = createWorld();
  const held = defineHeldTask("held");
  const worker = (await world.app([held.task])).createWorker({ drain: "1s" });
  await worker.start();
  const handle = await held.task.delay();
  await world.until(() => held.calls.length === 1);
  const stray = put(signalKey(worker.id ?? "", "stray"), encodeRecord({ kind: "cancel" }));
  await world.store.commit([{ guards: [], writes: [stray] }]);
  await handle.cancel({ grace: "1h" });
  await world.drive(worker.stop());
  expect((await world.store.range(prefixRange("signal/"))).entries).toEqual([]);
  // What was to be cancelled is not given back to run again.
  expect((await handle.state()).state).toBe("cancelled");
  held.calls[0]?.end.resolve(undefined);
});

test("row 7: the result of an attempt that was given up does not touch its successor's", async () => {
  await using world = createWorld();
  using stale = noteEvents("etask:task:stale");
  const held = defineHeldTask("held", { timeout: { hard: "1s" }, retry: AGAIN });
  await (await world.app([held.task])).createWorker().start();
  const handle = await held.task.delay();
  await world.until(() => held.calls.length === 2);
  held.calls[0]?.ctx.progress(50);
  held.calls[0]?.end.resolve("of the first");
  await world.clock.settle();
  expect(stale.seen).toMatchObject([{ id: handle.id, attempt: 1 }]);
  expect((await handle.state()).progress).toBeUndefined();
  held.calls[1]?.end.resolve("of the second");
  expect(await world.drive(handle.result())).toBe("of the second");
  expect((await handle.state()).attempts.map(({ outcome }) => outcome)).toEqual([
    "timeout",
    "succeeded",
  ]);
});

test("row 9: a task that ends its workers is put aside after three, and names them", async () => {
  await using world = createWorld();
  const held = defineHeldTask("poison", { retry: { attempts: 100 } });
  const worker = (await world.app([held.task])).createWorker({ leaseTtl: "5s" });
  await worker.start();
  const handle = await held.task.delay();
  const workers: (string | undefined)[] = [];
  for (let lost = 1; lost <= 3; lost += 1) {
    await world.until(() => held.calls.length === lost);
    workers.push(worker.id);
    await dropSessions(world, worker.id);
    await world.until(() => worker.id !== workers.at(-1));
  }
  await world.drive(handle.settle());
  const view = await handle.state();
  expect(view).toMatchObject({ state: "failed", reason: "worker-lost", attempt: 3 });
  expect(view.error?.code).toBe("WORKER_LOST");
  for (const id of workers) expect(view.error?.message).toContain(id);
  expect(view.attempts.map(({ worker: id, outcome }) => [id, outcome])).toEqual(
    workers.map((id) => [id, "worker-lost"]),
  );
  for (const { end } of held.calls) end.resolve(undefined);
});

test("zombies: those of an earlier life of the worker count, too", async () => {
  await using world = createWorld();
  const deaf = defineHeldTask<number>("deaf", { timeout: { hard: "1s" } });
  const worker = (await world.app([deaf.task])).createWorker({ concurrency: 2, leaseTtl: "5s" });
  await worker.start();
  await deaf.task.delayMany([1, 2]);
  await world.clock.advance(5_000);
  expect(deaf.running()).toBe(2);
  const before = worker.id;
  await dropSessions(world, before);
  await world.until(() => worker.id !== before);
  await deaf.task.delayMany([3, 4, 5, 6]);
  await world.clock.advance(60_000);
  expect(deaf.running()).toBe(4);
  for (const { end } of deaf.calls) end.resolve(undefined);
});

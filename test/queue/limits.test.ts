import { expect, test } from "vitest";
import { AttemptAbortedError } from "../../src/task/failure.ts";
import { defineTask } from "../../src/task/task.ts";
import { noteEvents } from "./support/events.ts";
import { defineHeldTask } from "./support/tasks.ts";
import { createWorld } from "./support/world.ts";

const refused = (code: string) => expect.objectContaining({ code });

test("timeout: the soft limit tells the handler why, and its throw is a timeout", async () => {
  await using world = createWorld();
  let reason: unknown;
  const task = defineTask({
    name: "slow",
    timeout: { soft: "5s" },
    run: async (_input: undefined, { signal }) => {
      try {
        await world.clock.sleep(60_000, signal);
      } catch (error) {
        reason = error;
        throw error;
      }
    },
  });
  await (await world.app([task])).createWorker().start();
  const begin = world.clock.now();
  const handle = await task.delay(undefined);
  const end = await world.drive(handle.settle());
  expect(reason).toBeInstanceOf(AttemptAbortedError);
  expect(reason).toMatchObject({ code: "ATTEMPT_ABORTED", reason: "timeout" });
  expect(end).toMatchObject({
    state: "failed",
    error: { name: "TimeoutError", code: "ATTEMPT_TIMEOUT", cause: { code: "ATTEMPT_ABORTED" } },
  });
  const view = await handle.state();
  expect(view.reason).toBe("timeout");
  expect(Number(view.finishedAt) - begin).toBeLessThan(5_200);
});

test("timeout: a handler that finishes in spite of the soft limit has succeeded", async () => {
  await using world = createWorld();
  const task = defineTask({
    name: "slow",
    timeout: { soft: "1s", hard: "10s" },
    run: async () => {
      await world.clock.sleep(5_000);
      return "late";
    },
  });
  await (await world.app([task])).createWorker().start();
  expect(await world.drive((await task.delay()).result())).toBe("late");
});

test("timeout: attempts that took too long are tried again, and remembered as such", async () => {
  await using world = createWorld();
  let calls = 0;
  const task = defineTask({
    name: "slow",
    timeout: "1s",
    retry: { attempts: 2, backoff: "immediate" },
    run: async (_input: undefined, { signal }) => {
      calls += 1;
      if (calls === 1) await world.clock.sleep(60_000, signal);
      return "quick";
    },
  });
  await (await world.app([task])).createWorker().start();
  const handle = await task.delay(undefined);
  expect(await world.drive(handle.result())).toBe("quick");
  expect((await handle.state()).attempts.map(({ outcome }) => outcome)).toEqual([
    "timeout",
    "succeeded",
  ]);
});

test("timeout: the hard limit ends the attempt of a deaf handler, and its slot is free", async () => {
  await using world = createWorld();
  using zombies = noteEvents("etask:task:zombie");
  using stale = noteEvents("etask:task:stale");
  const deaf = defineHeldTask<number>("deaf", { timeout: { soft: "1s", hard: "2s" } });
  await (await world.app([deaf.task])).createWorker({ concurrency: 1 }).start();
  const first = await deaf.task.delay(1);
  const second = await deaf.task.delay(2);
  await world.until(() => deaf.calls.length === 2);
  expect((await first.state()).reason).toBe("timeout");
  expect(deaf.running()).toBe(2);
  expect(zombies.seen).toMatchObject([{ id: first.id, why: "timeout" }]);
  expect(zombies.seen[0]?.origin).toContain("tasks.ts");
  deaf.calls[1]?.end.resolve("in time");
  expect(await world.drive(second.result())).toBe("in time");
  deaf.calls[0]?.end.resolve("too late");
  await world.clock.settle();
  expect(stale.seen).toMatchObject([{ id: first.id, what: "late result" }]);
  expect((await first.state()).state).toBe("failed");
});

test("timeout: more zombies than slots keep their slots", async () => {
  await using world = createWorld();
  const deaf = defineHeldTask<number>("deaf", { timeout: { hard: "1s" } });
  await (await world.app([deaf.task])).createWorker({ concurrency: 2 }).start();
  const handles = await deaf.task.delayMany([1, 2, 3, 4, 5, 6]);
  await world.clock.advance(60_000);
  expect(deaf.running()).toBe(4);
  for (const call of deaf.calls) call.end.resolve(undefined);
  await world.until(() => deaf.calls.length === 6);
  for (const call of deaf.calls) call.end.resolve(undefined);
  const ends = await world.drive(Promise.all(handles.map((handle) => handle.settle())));
  expect(ends.map(({ state }) => state)).toEqual([
    ...new Array<string>(4).fill("failed"),
    ...new Array<string>(2).fill("succeeded"),
  ]);
});

test("timeout: an enqueue's goes before the definition's", async () => {
  await using world = createWorld();
  const deaf = defineHeldTask("deaf", { timeout: { hard: "1h" } });
  await (await world.app([deaf.task])).createWorker().start();
  const begin = world.clock.now();
  const handle = await deaf.task.delay(undefined, { timeout: { hard: "1s" } });
  await world.drive(handle.settle());
  expect(world.clock.now() - begin).toBeLessThan(2_000);
  deaf.calls[0]?.end.resolve(undefined);
});

test("total timeout: bounds all attempts and the pauses between them", async () => {
  await using world = createWorld();
  let calls = 0;
  const task = defineTask({
    name: "failing",
    totalTimeout: "1m",
    retry: { attempts: 100, backoff: "constant", delay: "25s" },
    run: () => {
      calls += 1;
      throw new Error("no");
    },
  });
  await (await world.app([task])).createWorker().start();
  const handle = await task.delay();
  expect(await world.drive(handle.settle())).toMatchObject({ state: "failed" });
  expect((await handle.state()).reason).toBe("total-timeout");
  expect(calls).toBe(3);
});

test("total timeout: ends a running attempt for good, though attempts are left", async () => {
  await using world = createWorld();
  const deaf = defineHeldTask("deaf", { totalTimeout: "10s", retry: { attempts: 5 } });
  await (await world.app([deaf.task])).createWorker().start();
  const begin = world.clock.now();
  const handle = await deaf.task.delay();
  const end = await world.drive(handle.settle());
  expect(end).toMatchObject({ state: "failed", error: refused("ATTEMPT_TIMEOUT") });
  expect(Number((await handle.state()).finishedAt) - begin).toBeLessThan(10_100);
  deaf.calls[0]?.end.resolve(undefined);
});

test("abort: a worker that stops says shutdown, and the attempt is not counted", async () => {
  await using world = createWorld();
  const reasons: unknown[] = [];
  const task = defineTask({
    name: "t",
    run: async (_input: undefined, { signal }) => {
      signal.addEventListener("abort", () => reasons.push(signal.reason.reason));
      await world.clock.sleep(600_000, signal);
    },
  });
  const worker = (await world.app([task])).createWorker({ drain: "1s" });
  await worker.start();
  const handle = await task.delay(undefined);
  await world.until(() => worker.running === 1);
  await world.drive(worker.stop());
  expect(reasons).toEqual(["shutdown"]);
  expect(await handle.state()).toMatchObject({ state: "pending", attempt: 0 });
});

test("dequeue: what is held when the app closes is given back, the attempt not counted", async () => {
  await using world = createWorld();
  const task = defineTask({ name: "t", run: () => 1 });
  const app = await world.app([task]);
  const handle = await task.delay();
  const consumer = await world.app();
  const taken = await world.drive(consumer.broker.dequeue(handle.id));
  expect(taken?.attempt).toBe(1);
  await world.drive(consumer.close());
  expect(await app.backend.get(handle.id)).toMatchObject({ state: "pending", attempt: 0 });
});

/** How attempts end that do not end by themselves, and what is left of their runners. */
import { expect, test } from "vitest";
import type { TaskHandle } from "../../src/task/handle.ts";
import { noteEvents } from "../queue/support/events.ts";
import { dropSessions } from "../queue/support/sessions.ts";
import { isAlive, untilDead } from "./processes.ts";
import { errorOf, startWorker } from "./support.ts";
import { actors, inProcess, inThread, type Place } from "./tasks.ts";

const each = test.each(actors);

/** Waits until the handler has said where it runs. */
async function placeOf<Detail>(handle: TaskHandle): Promise<Place & Detail> {
  for await (const { progress } of handle.watch()) {
    if (progress?.detail !== undefined) return progress.detail as Place & Detail;
  }
  throw new Error("The task ended before its handler said anything.");
}

each("isolation: %s: an endless loop ends at the hard limit, with its runner", async (_k, task) => {
  using zombies = noteEvents("etask:task:zombie");
  using ended = noteEvents("etask:runner:ended");
  await using world = await startWorker([task], { concurrency: 1 });
  const timeout = { soft: "500ms", hard: "1s" };
  const handle = await task.delay({ act: "spin" }, { timeout, retry: { attempts: 1 } });
  const { pid } = await placeOf(handle);
  const behind = await task.delay({ act: "echo", text: "next" });
  expect(await errorOf(handle)).toMatchObject({ code: "ATTEMPT_TIMEOUT" });
  expect(await behind.result()).toBe("next");
  expect(ended.seen).toMatchObject([{ why: "over", runs: 1 }]);
  expect(zombies.seen).toEqual([]);
  if (pid !== process.pid) expect(isAlive(pid)).toBe(false);
  expect(world.worker.running).toBe(0);
});

each("isolation: %s: a cancel is obeyed, or ends the runner", async (_kind, task) => {
  using ended = noteEvents("etask:runner:ended");
  await using _world = await startWorker([task], { concurrency: 1 });
  const obedient = await task.delay({ act: "obey" });
  await placeOf(obedient);
  await obedient.cancel({ grace: "1m" });
  expect((await obedient.settle()).state).toBe("cancelled");
  expect(ended.seen).toEqual([]);
  const deaf = await task.delay({ act: "deaf" });
  await placeOf(deaf);
  await deaf.cancel({ grace: "100ms" });
  expect((await deaf.settle()).state).toBe("cancelled");
  expect((await deaf.state()).cancel).toMatchObject({ forced: true });
  await ended.wait();
  expect(ended.seen).toMatchObject([{ why: "over" }]);
});

each("isolation: %s: the signal says why, by a typed error", async (_kind, task) => {
  await using _world = await startWorker([task]);
  const handle = await task.delay({ act: "obey" }, { timeout: { soft: "100ms" } });
  expect(await errorOf(handle)).toMatchObject({
    code: "ATTEMPT_TIMEOUT",
    cause: { name: "AttemptAbortedError", code: "ATTEMPT_ABORTED" },
  });
});

each("isolation: %s: a full heap is a MEMORY_LIMIT, and is tried again", async (_kind, task) => {
  using ended = noteEvents("etask:runner:ended");
  await using _world = await startWorker([task]);
  const handle = await task.delay({ act: "hog" });
  expect(await errorOf(handle)).toMatchObject({
    name: "MemoryLimitError",
    code: "MEMORY_LIMIT",
    message: expect.stringContaining("it may have 192 MiB"),
  });
  expect((await handle.state()).attempts).toHaveLength(2);
  expect(ended.seen).toMatchObject([{ why: "memory" }, { why: "memory" }]);
  expect(await (await task.delay({ act: "echo", text: "well" })).result()).toBe("well");
});

test("isolation: process: memory outside the heap counts, too", async () => {
  await using _world = await startWorker([inProcess]);
  const handle = await inProcess.delay({ act: "buffers" }, { retry: { attempts: 1 } });
  expect(await errorOf(handle)).toMatchObject({ code: "MEMORY_LIMIT" });
});

each("isolation: %s: process.exit ends the attempt alone", async (_kind, task) => {
  await using world = await startWorker([task]);
  const { id } = world.worker;
  const handle = await task.delay({ act: "exit", number: 3 });
  expect(await errorOf(handle)).toMatchObject({
    name: "RunnerDiedError",
    code: "RUNNER_DIED",
    message: expect.stringContaining("exited with code 3"),
  });
  expect((await handle.state()).attempts).toHaveLength(2);
  expect(await (await task.delay({ act: "echo", text: "well" })).result()).toBe("well");
  expect(world.worker.id).toBe(id);
});

test("isolation: process: process.abort, as a segfault would, ends the attempt alone", async () => {
  await using _world = await startWorker([inProcess]);
  const handle = await inProcess.delay({ act: "abort" }, { retry: { attempts: 1 } });
  expect(await errorOf(handle)).toMatchObject({
    code: "RUNNER_DIED",
    message: expect.stringContaining("SIGABRT"),
  });
});

test("isolation: thread: process.abort is refused by Node", async () => {
  await using _world = await startWorker([inThread]);
  const handle = await inThread.delay({ act: "abort" }, { retry: { attempts: 1 } });
  expect(await errorOf(handle)).toMatchObject({ code: "ERR_WORKER_UNSUPPORTED_OPERATION" });
});

each("isolation: %s: a rejection that nobody handles ends the attempt alone", async (_k, task) => {
  using ended = noteEvents("etask:runner:ended");
  await using _world = await startWorker([task]);
  const handle = await task.delay({ act: "reject" }, { retry: { attempts: 1 } });
  expect(await errorOf(handle)).toMatchObject({
    code: "RUNNER_DIED",
    message: expect.stringContaining("nobody listens"),
    cause: { code: "DISK_GONE", stack: expect.stringContaining("tasks.ts") },
  });
  expect(ended.seen).toMatchObject([{ why: "crashed" }]);
});

each("isolation: %s: what is thrown after the end costs an idle runner only", async (_k, task) => {
  using ended = noteEvents("etask:runner:ended");
  await using _world = await startWorker([task]);
  const first = (await (await task.delay({ act: "late" })).result()) as Place;
  await ended.wait();
  expect(ended.seen).toMatchObject([{ why: "crashed", runs: 1 }]);
  expect(await (await task.delay({ act: "where" })).result()).not.toEqual(first);
});

each("isolation: %s: a runner is replaced after so many attempts", async (_kind, task) => {
  using ended = noteEvents("etask:runner:ended");
  await using _world = await startWorker([task], { concurrency: 1, isolation: { attemptsMax: 3 } });
  const places: unknown[] = [];
  for (let n = 0; n < 4; n += 1) places.push(await (await task.delay({ act: "where" })).result());
  expect(new Set(places.map((place) => JSON.stringify(place))).size).toBe(2);
  expect(places[3]).not.toEqual(places[2]);
  expect(ended.seen).toMatchObject([{ why: "recycled", runs: 3 }]);
});

each("isolation: %s: a runner that has grown too large is replaced", async (_kind, task) => {
  using ended = noteEvents("etask:runner:ended");
  await using _world = await startWorker([task], { isolation: { recycleMemory: 1 } });
  await (await task.delay({ act: "where" })).result();
  await ended.wait();
  expect(ended.seen).toMatchObject([{ why: "recycled" }]);
});

each("isolation: %s: a runner without work ends after a while", async (_kind, task) => {
  using ended = noteEvents("etask:runner:ended");
  await using _world = await startWorker([task], { isolation: { idle: "50ms" } });
  await ended.wait();
  expect(ended.seen).toMatchObject([{ why: "idle" }]);
  expect(await (await task.delay({ act: "echo", text: "new" })).result()).toBe("new");
});

each("isolation: %s: a worker that stops gives tasks back when they are dead", async (_k, task) => {
  using ended = noteEvents("etask:runner:ended");
  using stopped = noteEvents("etask:worker:stopped");
  await using world = await startWorker([task]);
  const handle = await task.delay({ act: "spin" });
  const { pid } = await placeOf(handle);
  await world.worker.stop();
  expect(stopped.seen).toMatchObject([{ released: 1 }]);
  expect((await handle.state()).state).toBe("pending");
  expect(ended.seen.length).toBeGreaterThanOrEqual(1);
  if (pid !== process.pid) expect(isAlive(pid)).toBe(false);
});

test("isolation: process: what the handler started dies with it", async () => {
  await using _world = await startWorker([inProcess]);
  const handle = await inProcess.delay({ act: "child" }, { retry: { attempts: 1 } });
  const { child } = await placeOf<{ readonly child: number }>(handle);
  expect(isAlive(child)).toBe(true);
  using ended = noteEvents("etask:runner:ended");
  await handle.cancel({ grace: 0 });
  await handle.settle();
  await ended.wait();
  await untilDead(child);
});

each("isolation: %s: after its worker lost the lease a deaf handler is ended", async (_k, task) => {
  using ended = noteEvents("etask:runner:ended");
  await using world = await startWorker([task], { leaseTtl: "2s", concurrency: 1 });
  const handle = await task.delay({ act: "deaf" });
  await placeOf(handle);
  await dropSessions(world.app);
  await ended.wait();
  expect(ended.seen).toMatchObject([{ why: "over", runs: 1 }]);
  // The slot is free, so the next life of the worker takes the task again.
  for await (const { state, attempt } of handle.watch()) {
    if (state === "running" && attempt === 2) break;
  }
});

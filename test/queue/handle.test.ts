import { expect, test } from "vitest";
import { del } from "../../src/store/part.ts";
import type { Store } from "../../src/store/store.ts";
import type { StateRecord } from "../../src/task/records.ts";
import { defineTask } from "../../src/task/task.ts";
import type { TaskView } from "../../src/task/view.ts";
import { defineHeldTask } from "./support/tasks.ts";
import { TroubledStore } from "./support/troubled-store.ts";
import { createWorld } from "./support/world.ts";

test("result: is what the handler returned, also nothing", async () => {
  await using world = createWorld();
  const echo = defineTask({ name: "echo", run: (input: unknown) => input });
  const quiet = defineTask({ name: "quiet", run: () => {} });
  const app = await world.app([echo, quiet]);
  await app.createWorker().start();
  const input = { list: [1, null, "\ufffd"], nested: { yes: true } };
  expect(await world.drive((await echo.delay(input)).result())).toEqual(input);
  expect(await world.drive((await quiet.delay()).result())).toBeUndefined();
});

test("result: of a failed task throws what the handler threw, with stack and causes", async () => {
  await using world = createWorld();
  const task = defineTask({
    name: "fails",
    run: () => {
      const cause = Object.assign(new RangeError("disk 2 is gone"), { code: "E_DISK" });
      throw new TypeError("no disks", { cause });
    },
  });
  const app = await world.app([task]);
  await app.createWorker().start();
  const handle = await task.delay();
  await expect(world.drive(handle.result())).rejects.toMatchObject({
    code: "TASK_FAILED",
    id: handle.id,
    failure: {
      name: "TypeError",
      message: "no disks",
      stack: expect.stringContaining("handle.test.ts") as unknown,
      cause: { name: "RangeError", code: "E_DISK" },
    },
  });
  expect(await handle.settle()).toMatchObject({ state: "failed", error: { name: "TypeError" } });
});

test("result: after the wait's time is over the task goes on", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask("held");
  const app = await world.app([task]);
  await app.createWorker().start();
  const handle = await task.delay();
  await expect(world.drive(handle.result({ timeout: "2s" }))).rejects.toMatchObject({
    code: "WAIT_TIMEOUT",
    message: expect.stringContaining("2000 ms") as unknown,
  });
  calls[0]?.end.resolve("late");
  expect(await world.drive(handle.result())).toBe("late");
});

test("result: a wait of weeks is not over at once", async () => {
  await using world = createWorld();
  const { task } = defineHeldTask("held");
  await world.app([task]);
  const handle = await task.delay();
  await expect(handle.result({ timeout: "25d" })).rejects.toMatchObject({
    code: "INVALID_OPTIONS",
  });
  const ending = new AbortController();
  const waiting = handle.result({ timeout: "24d", signal: ending.signal });
  await world.clock.advance(1_000);
  ending.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
});

test("result: a signal ends the wait with its reason", async () => {
  await using world = createWorld();
  const { task } = defineHeldTask("held");
  await world.app([task]);
  const handle = await task.delay();
  const reason = new Error("enough");
  await expect(handle.result({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const ending = new AbortController();
  const waiting = handle.settle({ signal: ending.signal });
  ending.abort(reason);
  await expect(waiting).rejects.toBe(reason);
});

test("result: of a task that is removed while waited for says so, as does one that never was", async () => {
  await using world = createWorld();
  const { task } = defineHeldTask("held");
  const app = await world.app([task]);
  const handle = await task.delay();
  const waiting = handle.result();
  await app.broker.remove(handle.id);
  await expect(world.drive(waiting)).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
  await expect(app.handle("none").result()).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
  await expect(app.handle("none").state()).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
});

test("result: asked for long after the end is there at once, by the handle or its id", async () => {
  await using world = createWorld();
  const echo = defineTask({ name: "echo", run: (input: number) => input });
  const app = await world.app([echo]);
  await app.createWorker().start();
  const first = await echo.delay(1);
  await world.drive(first.result());
  const second = await echo.delay(2);
  await world.clock.advance(5_000);
  expect(await world.drive(second.result())).toBe(2);
  expect(await world.drive(app.handle(second.id).result())).toBe(2);
});

test("result: 500 waits of one app share one watch", async () => {
  await using world = createWorld();
  const echo = defineTask({ name: "echo", run: (input: number) => input });
  const worker = (await world.app([echo])).createWorker({ concurrency: 50 });
  let store: TroubledStore | undefined;
  const app = await world.app([], {
    decorate: (inner: Store) => {
      store = new TroubledStore(inner);
      return store;
    },
  });
  const inputs = Array.from({ length: 500 }, (_, n) => n);
  const handles = await Promise.all(inputs.map((n) => app.enqueue("echo", n)));
  const results = Promise.all(handles.map((handle) => handle.result()));
  await worker.start();
  expect(await world.drive(results)).toEqual(inputs);
  expect(store?.watchCount).toBe(1);
});

test("result: history that is lost under the waits does not lose their ends", async () => {
  await using world = createWorld();
  const echo = defineTask({ name: "echo", run: (input: number) => input });
  const worker = (await world.app([echo])).createWorker({ concurrency: 10 });
  let store: TroubledStore | undefined;
  const app = await world.app([], {
    decorate: (inner: Store) => {
      store = new TroubledStore(inner);
      return store;
    },
  });
  const handles = await Promise.all([1, 2, 3].map((n) => app.enqueue("echo", n)));
  const results = Promise.all(handles.map((handle) => handle.result()));
  await world.clock.settle();
  if (store) store.away = true;
  await worker.start();
  await world.until(async () => {
    const { tasks } = await (await world.app()).backend.list({ state: "succeeded" });
    return tasks.length === 3;
  });
  world.storage.compact(world.storage.revision);
  if (store) store.away = false;
  expect(await world.drive(results)).toEqual([1, 2, 3]);
});

test("watch: shows the task now, after each change, and ends with it", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask("held");
  const app = await world.app([task]);
  const handle = await task.delay();
  const seen: TaskView[] = [];
  const watching = (async () => {
    for await (const view of handle.watch()) seen.push(view);
  })();
  await world.clock.settle();
  await app.createWorker().start();
  await world.until(() => calls.length === 1);
  calls[0]?.ctx.progress(40, { disk: 1 });
  await world.clock.advance(100);
  calls[0]?.ctx.progress(80);
  calls[0]?.end.resolve("done");
  await world.drive(watching);
  expect(seen.map(({ state, progress }) => [state, progress?.percent])).toEqual([
    ["pending", undefined],
    ["running", undefined],
    ["running", 40],
    ["succeeded", 80],
  ]);
  expect(seen.at(-1)).toMatchObject({ result: "done", progress: { detail: undefined } });
  const revisions = seen.map(({ revision }) => revision);
  expect([...revisions].sort((a, b) => a - b)).toEqual(revisions);
});

test("watch: a task of many attempts is shown as well", async () => {
  await using world = createWorld();
  const task = defineTask({
    name: "t",
    retry: { attempts: 26, backoff: "immediate" },
    run: (_input: undefined, { attempt }) => {
      if (attempt <= 25) throw new Error("once more");
    },
  });
  await (await world.app([task])).createWorker().start();
  const handle = await task.delay(undefined);
  await world.drive(handle.result());
  const views: TaskView[] = [];
  for await (const view of handle.watch()) views.push(view);
  expect(views).toMatchObject([{ state: "succeeded", attempt: 26 }]);
  expect(views[0]?.attempts.length).toBe(21);
});

test("watch: a slow reader sees every state too", async () => {
  await using world = createWorld();
  const echo = defineTask({ name: "echo", run: (input: number) => input });
  const app = await world.app([echo]);
  const handle = await echo.delay(1);
  const views = handle.watch()[Symbol.asyncIterator]();
  expect((await views.next()).value).toMatchObject({ state: "pending" });
  await app.createWorker().start();
  await world.drive(handle.result());
  expect((await views.next()).value).toMatchObject({ state: "running" });
  expect((await views.next()).value).toMatchObject({ state: "succeeded" });
  expect((await views.next()).done).toBe(true);
});

test("watch: ends quietly by its signal and with an error when the task is removed", async () => {
  await using world = createWorld();
  const { task } = defineHeldTask("held");
  const app = await world.app([task]);
  const handle = await task.delay();
  const ending = new AbortController();
  const views = handle.watch({ signal: ending.signal })[Symbol.asyncIterator]();
  await views.next();
  const next = views.next();
  ending.abort();
  expect((await next).done).toBe(true);
  const others = handle.watch()[Symbol.asyncIterator]();
  await others.next();
  const gone = others.next();
  await app.broker.remove(handle.id);
  await expect(gone).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
});

test("handle: a damaged task is as good as none, and its neighbours are well", async () => {
  await using world = createWorld();
  const { task } = defineHeldTask("held");
  const app = await world.app([task]);
  const damaged = await task.delay(undefined, { id: "a" });
  const well = await task.delay(undefined, { id: "b" });
  await world.store.commit([{ guards: [], writes: [del("task/a#spec")] }]);
  await expect(damaged.state()).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
  expect((await well.state()).state satisfies StateRecord["state"]).toBe("pending");
  expect((await app.backend.list()).tasks.map(({ id }) => id)).toEqual(["b"]);
});

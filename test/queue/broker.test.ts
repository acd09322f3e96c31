import { expect, test } from "vitest";
import type { App } from "../../src/app.ts";
import { StoreUnavailableError } from "../../src/store/store-errors.ts";
import { handRange, readyRange } from "../../src/task/keyspace.ts";
import { defineTask } from "../../src/task/task.ts";
import { noteEvents } from "./support/events.ts";
import { dropSessions } from "./support/sessions.ts";
import { defineHeldTask } from "./support/tasks.ts";
import { TroubledStore } from "./support/troubled-store.ts";
import { createWorld } from "./support/world.ts";

const echo = () => defineTask({ name: "echo", run: (input: unknown) => input });
const refused = (code: string) => ({ code });

async function waitingIds(app: App): Promise<string[]> {
  return (await app.broker.list()).tasks.map(({ id }) => id);
}

test("dequeue: takes a waiting task, with all that its handler would know", async () => {
  await using world = createWorld();
  const task = echo();
  const app = await world.app([task]);
  const handle = await task.delay({ a: 1 }, { id: "a", headers: { trace: "1" } });
  const taken = await app.broker.dequeue("a");
  expect(taken).toMatchObject({
    id: "a",
    name: "echo",
    input: { a: 1 },
    headers: { trace: "1" },
    attempt: 1,
    fence: world.storage.revision,
  });
  expect(await handle.state()).toMatchObject({ state: "running", attempt: 1 });
  expect(await waitingIds(app)).toEqual([]);
  expect(await app.broker.dequeue("a")).toBeUndefined();
  await expect(app.broker.dequeue("b")).rejects.toMatchObject(refused("TASK_NOT_FOUND"));
});

test("dequeue: it succeeds with its progress and result, once, and leaves no hand behind", async () => {
  await using world = createWorld();
  const task = echo();
  const app = await world.app([task]);
  const handle = await task.delay(1, { id: "a" });
  const taken = await app.broker.dequeue("a");
  await taken?.progress(50, { disk: 1 });
  await taken?.succeed({ done: true });
  expect(await handle.state()).toMatchObject({
    state: "succeeded",
    result: { done: true },
    progress: { percent: 50, detail: { disk: 1 } },
  });
  expect((await world.store.range(handRange())).entries).toEqual([]);
  for (const again of [taken?.succeed(), taken?.fail("no"), taken?.release(), taken?.progress(1)]) {
    await expect(again).rejects.toMatchObject(refused("ATTEMPT_STALE"));
  }
});

test("dequeue: it fails with whatever it is given, and is not tried again", async () => {
  await using world = createWorld();
  const task = echo();
  const app = await world.app([task]);
  const handle = await task.delay(1, { id: "a", retry: { attempts: 5 } });
  await (await app.broker.dequeue("a"))?.fail(new RangeError("disk 2 is gone"));
  expect(await handle.settle()).toMatchObject({
    state: "failed",
    error: { name: "RangeError", message: "disk 2 is gone" },
  });
});

test("dequeue: what is given back stands where it stood, the attempt not counted", async () => {
  await using world = createWorld();
  const task = echo();
  const app = await world.app([task]);
  await task.delay("x".repeat(5_000), { id: "a" });
  await task.delay(1, { id: "b" });
  const before = (await world.store.range(readyRange())).entries.map(({ key }) => key);
  for (let round = 0; round < 3; round += 1) {
    const taken = await app.broker.dequeue("a");
    expect(taken?.attempt).toBe(1);
    await taken?.release();
  }
  expect((await world.store.range(readyRange())).entries.map(({ key }) => key)).toEqual(before);
  expect(await app.backend.get("a")).toMatchObject({ state: "pending", attempt: 0 });
});

test("dequeue: bad results and reports are refused before anything is written", async () => {
  await using world = createWorld();
  const task = echo();
  const app = await world.app([task], { payloadBytesMax: 1_000 });
  await task.delay(1, { id: "a" });
  const taken = await app.broker.dequeue("a");
  const { revision } = world.storage;
  const large = "x".repeat(20_000);
  await expect(taken?.succeed(1n)).rejects.toMatchObject(refused("NOT_JSON"));
  await expect(taken?.succeed(large)).rejects.toMatchObject(refused("PAYLOAD_TOO_LARGE"));
  await expect(taken?.progress(1, large)).rejects.toMatchObject(refused("PAYLOAD_TOO_LARGE"));
  await expect(taken?.progress(Number.NaN)).rejects.toMatchObject(refused("INVALID_OPTIONS"));
  expect(world.storage.revision).toBe(revision);
  await taken?.succeed();
});

test("dequeue: once its session is gone the task is rescued, and the old hand is stale", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask("held");
  const app = await world.app([task]);
  await task.delay(undefined, { id: "a" });
  const taken = await app.broker.dequeue("a");
  await (await world.app([defineHeldTask("other").task])).createWorker().start();
  await world.clock.settle();
  await dropSessions(world);
  await world.until(() => taken?.lost.aborted === true);
  await world.until(async () => (await app.backend.get("a"))?.state === "pending");
  expect(await app.backend.get("a")).toMatchObject({ attempt: 1 });
  const again = await world.drive(app.broker.dequeue("a"));
  expect(again?.attempt).toBe(2);
  expect(again?.fence).toBeGreaterThan(taken?.fence ?? 0);
  await expect(taken?.succeed()).rejects.toMatchObject(refused("ATTEMPT_STALE"));
  await again?.succeed();
  expect(calls).toEqual([]);
});

test("dequeue: closing the app gives back what is held", async () => {
  await using world = createWorld();
  const task = echo();
  const app = await world.app([task]);
  await task.delay(1, { id: "a" });
  await app.broker.dequeue("a");
  const other = await world.app([task]);
  await other.createWorker().start();
  await world.drive(app.close());
  expect(await world.drive(other.handle("a").result())).toBe(1);
});

test("dequeue: an app whose session could not be opened, or ended, closes all the same", async () => {
  await using world = createWorld();
  const task = echo();
  let store: TroubledStore | undefined;
  const app = await world.app([task], {
    decorate: (inner) => {
      store = new TroubledStore(inner);
      return store;
    },
  });
  if (!store) throw new Error("The app has no store.");
  await task.delayMany([1, 2], (n) => ({ id: `t${n}` }));
  const gone = new StoreUnavailableError("gone", "no");
  store.trouble = () => ({ at: "before", error: gone });
  await expect(app.broker.dequeue("t1")).rejects.toBe(gone);
  store.trouble = undefined;
  expect(await app.broker.dequeue("t1")).toMatchObject({ id: "t1" });
  store.away = true;
  await world.drive(app.close());
});

test("dequeue: a take whose answer is lost is held by who asked, not by nobody", async () => {
  await using world = createWorld();
  const task = echo();
  let store: TroubledStore | undefined;
  const app = await world.app([task], {
    decorate: (inner) => {
      store = new TroubledStore(inner);
      return store;
    },
  });
  await task.delay(1, { id: "a" });
  if (!store) throw new Error("The app has no store.");
  let refusals = 3;
  store.trouble = (parts) => {
    const takes = parts.some(({ writes }) => writes.some(({ key }) => key === "task/a#state"));
    if (!takes || refusals === 0) return undefined;
    refusals -= 1;
    return { at: "before", error: new StoreUnavailableError("gone", "no") };
  };
  const taken = await world.drive(app.broker.dequeue("a"));
  expect(taken).toMatchObject({ id: "a", attempt: 1 });
});

test("dequeue: of many who want one task one gets it, and no hands pile up", async () => {
  await using world = createWorld();
  const task = echo();
  const apps = await Promise.all([1, 2, 3, 4].map(() => world.app([echo()])));
  await (await world.app([task])).enqueue("echo", 1, { id: "a" });
  const all = await Promise.all(apps.map((app) => app.broker.dequeue("a")));
  expect(all.filter((taken) => taken !== undefined)).toHaveLength(1);
  await world.clock.settle();
  expect((await world.store.range(handRange())).entries).toHaveLength(1);
});

test("update: a waiting task moves to another queue and priority and keeps its place in time", async () => {
  await using world = createWorld();
  const task = echo();
  const app = await world.app([task]);
  // One shard's worth of ids, so that key order is the order of taking.
  for (const id of ["a", "b", "c"]) await task.delay(1, { id, queue: "q" });
  await app.broker.update("c", { priority: 9 });
  await app.broker.update("a", { queue: "other" });
  await app.broker.update("a", { queue: "q" });
  expect(await app.backend.get("c")).toMatchObject({ state: "pending", attempt: 0, priority: 9 });
  const { entries } = await world.store.range(readyRange());
  expect(entries).toHaveLength(3);
  const worker = app.createWorker({ queues: ["q"], concurrency: 1 });
  using taken = noteEvents("etask:task:taken");
  await worker.start();
  await world.until(() => taken.seen.length === 3);
  expect(taken.seen.map(({ id }) => id)).toEqual(["c", "a", "b"]);
});

test("update: a task that runs, has ended or does not exist does not move", async () => {
  await using world = createWorld();
  const task = echo();
  const app = await world.app([task]);
  await task.delay(1, { id: "a" });
  const taken = await app.broker.dequeue("a");
  const move = () => app.broker.update("a", { priority: 1 });
  await expect(move()).rejects.toMatchObject(refused("TASK_RUNNING"));
  await taken?.succeed();
  await expect(move()).rejects.toMatchObject(refused("TASK_ENDED"));
  await expect(app.broker.update("b", {})).rejects.toMatchObject(refused("TASK_NOT_FOUND"));
  await expect(app.broker.update("a", { priority: 10 })).rejects.toThrow(/^priority must/);
  await expect(app.broker.update("a", { queue: "a/b" })).rejects.toThrow(/^queue must/);
  await expect(app.broker.update("a", { id: "b" } as object)).rejects.toThrow(/no option "id"/);
});

test("update: 50 moves of one task at once all land, one after the other", async () => {
  await using world = createWorld();
  const task = echo();
  const app = await world.app([task]);
  await task.delay(1, { id: "a" });
  const moves = Array.from({ length: 50 }, (_, n) => app.broker.update("a", { priority: n % 10 }));
  await Promise.all(moves);
  expect((await world.store.range(readyRange())).entries).toHaveLength(1);
});

test.each(["update", "remove"] as const)("%s: against a take, one of both wins", async (what) => {
  for (let seed = 1; seed <= 20; seed += 1) {
    await using world = createWorld(seed);
    const task = echo();
    const [app, other] = [await world.app([task]), await world.app([echo()])];
    await task.delay(1, { id: "a" });
    await other.broker.dequeue("none").catch(() => {});
    const delayed = async <T>(turns: number, act: () => Promise<T>) => {
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      return act();
    };
    const change = (): Promise<unknown> =>
      what === "remove" ? app.broker.remove("a") : app.broker.update("a", { priority: 9 });
    const [changed, taken] = await Promise.allSettled([
      delayed(seed % 5, change),
      delayed(seed % 7, () => other.broker.dequeue("a")),
    ]);
    const view = await app.backend.get("a");
    const ready = (await world.store.range(readyRange())).entries.length;
    const got = taken.status === "fulfilled" && taken.value !== undefined;
    if (got) expect([view?.state, ready]).toEqual(["running", 0]);
    else if (what === "remove") expect([view, ready]).toEqual([undefined, 0]);
    else expect([view?.state, view?.priority, ready]).toEqual(["pending", 9, 1]);
    if (got && changed.status === "rejected") {
      expect(changed.reason).toMatchObject(refused("TASK_RUNNING"));
    }
  }
});

test("list: pages of all queues or one hold every waiting task once", async () => {
  await using world = createWorld();
  const task = echo();
  const app = await world.app([task]);
  for (const queue of ["mail", "mail-2", "disk"]) {
    await task.delayMany(
      Array.from({ length: 30 }, (_, n) => n),
      (n) => ({ id: `${queue}/${n}`, queue }),
    );
  }
  const all = async (options: { queue?: string }) => {
    const ids: string[] = [];
    let cursor: string | undefined;
    for (let page = 0; page === 0 || cursor; page += 1) {
      const next = await app.broker.list({ ...options, limit: 7, ...(cursor && { cursor }) });
      ids.push(...next.tasks.map(({ id }) => id));
      cursor = next.cursor;
    }
    return ids;
  };
  expect(new Set(await all({})).size).toBe(90);
  const mail = await all({ queue: "mail" });
  expect(mail.toSorted()).toEqual(Array.from({ length: 30 }, (_, n) => `mail/${n}`).toSorted());
  const { cursor } = await app.broker.list({ queue: "disk", limit: 1 });
  await expect(app.broker.list({ queue: "mail", cursor: cursor ?? "" })).rejects.toMatchObject(
    refused("INVALID_OPTIONS"),
  );
  expect((await app.broker.list({ queue: "none" })).tasks).toEqual([]);
});

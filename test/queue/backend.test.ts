import { expect, test } from "vitest";
import type { TaskChange } from "../../src/backend/watch-tasks.ts";
import { put } from "../../src/store/part.ts";
import { isHeartbeatKey, taskKey } from "../../src/task/keyspace.ts";
import { defineTask } from "../../src/task/task.ts";
import { defineHeldTask } from "./support/tasks.ts";
import { createWorld, type World } from "./support/world.ts";

const echo = () => defineTask({ name: "echo", run: (input: unknown) => input });

/** The changes up to and with the first that is the last one. */
async function collect(
  changes: AsyncIterable<TaskChange>,
  isLast: (change: TaskChange, count: number) => boolean,
): Promise<TaskChange[]> {
  const seen: TaskChange[] = [];
  for await (const change of changes) {
    seen.push(change);
    if (isLast(change, seen.length)) break;
  }
  return seen;
}

const asMany = (wanted: number) => (_change: TaskChange, count: number) => count === wanted;

/** Every change as the storage's own history has it. */
function changesIn({ storage }: World): string[] {
  return storage.log.flatMap(({ revision, events }) => [
    ...new Set(
      events
        .filter(({ key }) => key.startsWith("task/") && !isHeartbeatKey(key))
        .map(({ key }) => `${revision} ${key.slice(5, key.lastIndexOf("#"))}`),
    ),
  ]);
}

const shown = ({ revision, id }: TaskChange) => `${revision} ${id}`;

test("get: shows a task or nothing", async () => {
  await using world = createWorld();
  const task = echo();
  const app = await world.app([task]);
  await task.delay({ a: 1 }, { id: "a", headers: { trace: "1" }, queue: "q" });
  expect(await app.backend.get("a")).toMatchObject({
    id: "a",
    queue: "q",
    headers: { trace: "1" },
    createdAt: new Date(world.clock.now()),
  });
  expect(await app.backend.get("b")).toBeUndefined();
  await expect(app.backend.get("a b")).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
});

test("list: pages hold every task of the prefix once, in order, while others come and go", async () => {
  await using world = createWorld();
  const task = echo();
  const app = await world.app([task]);
  const ids = Array.from({ length: 250 }, (_, n) => `node-7/${String(n).padStart(3, "0")}`);
  await task.delayMany(ids, (_, index) => ({ id: ids[index] ?? "" }));
  await task.delay(0, { id: "node-70/x" });
  await task.delay(0, { id: "node-6/x" });
  const seen: string[] = [];
  let cursor: string | undefined;
  for (let page = 0; page === 0 || cursor; page += 1) {
    const options = { prefix: "node-7/", limit: 30, ...(cursor && { cursor }) };
    const { tasks, cursor: next } = await app.backend.list(options);
    expect(tasks.length).toBeLessThanOrEqual(30);
    seen.push(...tasks.map(({ id }) => id));
    cursor = next;
    await task.delay(0, { id: `node-7/000-${page}` });
    await app.broker.remove(`node-7/${String(249 - page).padStart(3, "0")}`);
  }
  expect(seen).toEqual(seen.toSorted());
  expect(new Set(seen).size).toBe(seen.length);
  expect(ids.slice(0, 200).every((id) => seen.includes(id))).toBe(true);
});

test("list: a page that ends exactly with the last task has no cursor", async () => {
  await using world = createWorld();
  const task = echo();
  const app = await world.app([task]);
  await task.delayMany(["a", "b"], (id) => ({ id: String(id) }));
  expect(await app.backend.list({ limit: 2 })).toMatchObject({ cursor: undefined });
  const { cursor } = await app.backend.list({ limit: 1 });
  expect(cursor).toBe("a");
  expect(await app.backend.list({ limit: 1, cursor: "a" })).toMatchObject({
    tasks: [{ id: "b" }],
    cursor: undefined,
  });
});

test("list: by state finds the few among many, and names wrong options", async () => {
  await using world = createWorld();
  const task = echo();
  const other = defineTask({ name: "other", run: () => 1 });
  const app = await world.app([task]);
  const ids = Array.from({ length: 1_500 }, (_, n) => `t${String(n).padStart(4, "0")}`);
  await (await world.app([other])).enqueue("other", undefined, { id: "t1200x" });
  await task.delayMany(ids, (_, index) => ({ id: ids[index] ?? "" }));
  const worker = (await world.app([defineTask({ name: "other", run: () => 1 })])).createWorker();
  await worker.start();
  await world.drive(app.handle("t1200x").result());
  const found = await app.backend.list({ state: "succeeded" });
  expect(found.tasks.map(({ id }) => id)).toEqual(["t1200x"]);
  expect(() => app.backend.list({ state: "done" as "failed" })).toThrow(/^state must be one of/);
  expect(() => app.backend.list({ limit: 0 })).toThrow(/^limit must/);
});

test("list: keys of somebody else hide no task and stop no listing", async () => {
  await using world = createWorld();
  const task = echo();
  const app = await world.app([task]);
  await task.delay(1, { id: "z" });
  for (let block = 0; block < 2; block += 1) {
    const keys = Array.from({ length: 1_100 }, (_, n) => `task/b${block}/${n}#note`);
    for (let at = 0; at < keys.length; at += 20) {
      const writes = keys.slice(at, at + 20).map((key) => put(key, new Uint8Array()));
      await world.store.commit([{ guards: [], writes }]);
    }
  }
  await task.delay(1, { id: "a" });
  expect((await app.backend.list()).tasks.map(({ id }) => id)).toEqual(["a", "z"]);
  const first = await app.backend.list({ limit: 1 });
  const second = await app.backend.list({ limit: 1, cursor: first.cursor ?? "" });
  expect(second.tasks.map(({ id }) => id)).toEqual(["z"]);
});

test("watch: shows every change of the history, and goes on behind any of them without a gap", async () => {
  await using world = createWorld();
  const task = echo();
  const app = await world.app([task]);
  const worker = (await world.app([echo()])).createWorker({ concurrency: 5 });
  await task.delayMany(
    Array.from({ length: 40 }, (_, n) => n),
    (n) => ({ id: `t${n}` }),
  );
  await worker.start();
  await world.until(async () => {
    return (await app.backend.list({ state: "succeeded" })).tasks.length === 40;
  });
  await app.broker.remove("t7");
  const history = changesIn(world);
  const all = await collect(app.backend.watch({ after: 0 }), asMany(history.length));
  expect(all.map(shown)).toEqual(history);
  for (const [index, { resumeAfter }] of all.entries()) {
    if (index === all.length - 1) break;
    const rest = app.backend.watch({ after: resumeAfter });
    const again = await collect(rest, (change) => shown(change) === history.at(-1));
    const seen = new Set([...all.slice(0, index + 1), ...again].map(shown));
    expect(seen.size).toBe(history.length);
  }
  expect(all.map(({ revision, resumeAfter }) => revision - resumeAfter)).toContain(1);
  expect(all.at(-1)).toMatchObject({ id: "t7", kind: "removed", task: undefined });
});

test("watch: each change shows the task as it was then, one change for each revision", async () => {
  await using world = createWorld();
  const { task, calls } = defineHeldTask("held");
  const app = await world.app([task]);
  const { revision } = world.storage;
  await app.createWorker().start();
  const handle = await task.delay(undefined, { idPrefix: "disk/" });
  await task.delay(undefined, { idPrefix: "mail/" });
  await world.until(() => calls.length === 2);
  const call = calls.find(({ ctx }) => ctx.id === handle.id);
  call?.ctx.progress(50);
  await world.clock.advance(100);
  call?.ctx.progress(75);
  call?.end.resolve("done");
  await world.drive(handle.result());
  const changes = await collect(app.backend.watch({ prefix: "disk/", after: revision }), asMany(4));
  expect(
    changes.map(({ kind, task }) => [kind, task?.state, task?.progress?.percent, task?.result]),
  ).toEqual([
    ["enqueued", "pending", undefined, undefined],
    ["state", "running", undefined, undefined],
    ["progress", "running", 50, undefined],
    ["state", "succeeded", 75, "done"],
  ]);
  expect(changes.map(({ revision, resumeAfter }) => revision - resumeAfter)).toEqual([0, 0, 0, 0]);
});

test("watch: large tasks, more tasks than it remembers, and a start in the middle read true", async () => {
  await using world = createWorld();
  const task = echo();
  const app = await world.app([task]);
  await task.delay("x".repeat(10_000), { id: "large" });
  const { revision } = world.storage;
  const worker = (await world.app([echo()])).createWorker();
  await worker.start();
  await world.drive(app.handle("large").result());
  const changes = await collect(app.backend.watch({ after: revision }), asMany(2));
  const input = "x".repeat(10_000);
  expect(changes).toMatchObject([
    { task: { state: "running", input } },
    { task: { state: "succeeded", input } },
  ]);
});

test("watch: history that is gone is an error that says so; the signal ends it quietly", async () => {
  await using world = createWorld();
  const task = echo();
  const app = await world.app([task]);
  await task.delay(1);
  await task.delay(2);
  world.storage.compact(world.storage.revision);
  await expect(app.backend.watch({ after: 1 }).next()).rejects.toMatchObject({
    code: "HISTORY_LOST",
  });
  const ending = new AbortController();
  const next = app.backend.watch({ signal: ending.signal }).next();
  await world.clock.settle();
  ending.abort();
  expect((await next).done).toBe(true);
  await expect(app.backend.watch({ after: -1 }).next()).rejects.toThrow(/^after must/);
});

test("update: sets and adds, is rounded, and nothing to change is no write", async () => {
  await using world = createWorld();
  const { task } = defineHeldTask("held");
  const app = await world.app([task]);
  await task.delay(undefined, { id: "a" });
  const taken = await world.drive(app.broker.dequeue("a"));
  const attempt = { id: "a", fence: taken?.fence ?? 0 };
  const { revision } = world.storage;
  await app.backend.update(attempt, {});
  expect(world.storage.revision).toBe(revision);
  await app.backend.update(attempt, { percent: 33.33333, detail: { disk: 1 } });
  await app.backend.update(attempt, { advance: 10 });
  expect(await app.backend.progress("a")).toMatchObject({ percent: 43.3333, detail: { disk: 1 } });
  await app.backend.update(attempt, { advance: 1_000 });
  const full = world.storage.revision;
  await app.backend.update(attempt, { advance: 5 });
  await app.backend.update(attempt, { percent: 100 });
  expect(world.storage.revision).toBe(full);
  await app.backend.update(attempt, { detail: { disk: 2 } });
  expect(await app.backend.progress("a")).toMatchObject({ percent: 100, detail: { disk: 2 } });
  expect(await app.backend.progress("b")).toBeUndefined();
});

test("update: 60 calls at once add up", async () => {
  await using world = createWorld();
  const { task } = defineHeldTask("held");
  const app = await world.app([task]);
  const other = await world.app();
  await task.delay(undefined, { id: "a" });
  const taken = await world.drive(app.broker.dequeue("a"));
  const attempt = { id: "a", fence: taken?.fence ?? 0 };
  const one = [app, other].flatMap(({ backend }) =>
    Array.from({ length: 30 }, () => backend.update(attempt, { advance: 1.5 })),
  );
  await world.drive(Promise.all(one));
  expect((await app.backend.progress("a"))?.percent).toBe(90);
});

test("update: a new attempt begins from nothing, whatever the last one reported", async () => {
  await using world = createWorld();
  const { task } = defineHeldTask("held");
  const app = await world.app([task]);
  await task.delay(undefined, { id: "a" });
  const first = await world.drive(app.broker.dequeue("a"));
  await app.backend.update({ id: "a", fence: first?.fence ?? 0 }, { percent: 80, detail: "old" });
  await first?.release();
  const second = await world.drive(app.broker.dequeue("a"));
  await app.backend.update({ id: "a", fence: second?.fence ?? 0 }, { advance: 5 });
  expect(await app.backend.progress("a")).toMatchObject({ percent: 5 });
});

test("update: of a stale attempt or an unknown task is refused, and so are bad reports", async () => {
  await using world = createWorld();
  const { task } = defineHeldTask("held");
  const app = await world.app([task]);
  await task.delay(undefined, { id: "a" });
  const taken = await world.drive(app.broker.dequeue("a"));
  const attempt = { id: "a", fence: taken?.fence ?? 0 };
  const { update } = app.backend;
  const refused = (code: string) => ({ code });
  const call = (given: Parameters<typeof update>[1]) => app.backend.update(attempt, given);
  await expect(call({ percent: Number.NaN })).rejects.toMatchObject(refused("INVALID_OPTIONS"));
  await expect(call({ advance: "5" as unknown as number })).rejects.toMatchObject(
    refused("INVALID_OPTIONS"),
  );
  await expect(call({ detail: "x".repeat(20_000) })).rejects.toMatchObject(
    refused("PAYLOAD_TOO_LARGE"),
  );
  await expect(app.backend.update({ id: "b", fence: 1 }, {})).rejects.toMatchObject(
    refused("TASK_NOT_FOUND"),
  );
  await taken?.succeed(1);
  await expect(call({ percent: 1 })).rejects.toMatchObject(refused("ATTEMPT_STALE"));
});

test("update: a damaged progress record is replaced", async () => {
  await using world = createWorld();
  const { task } = defineHeldTask("held");
  const app = await world.app([task]);
  await task.delay(undefined, { id: "a" });
  const taken = await world.drive(app.broker.dequeue("a"));
  const damaged = put(taskKey("a", "progress"), Buffer.from("{"));
  await world.store.commit([{ guards: [], writes: [damaged] }]);
  await app.backend.update({ id: "a", fence: taken?.fence ?? 0 }, { advance: 7 });
  expect((await app.backend.progress("a"))?.percent).toBe(7);
});

test("remove: takes everything of a task that waits or has ended, and nothing of one that runs", async () => {
  await using world = createWorld();
  const { task } = defineHeldTask("held");
  const app = await world.app([task]);
  const before = (await world.store.range({ start: "", end: "\x7f" })).entries.length;
  for (const id of ["waits", "ends"]) await task.delay(undefined, { id });
  const taken = await world.drive(app.broker.dequeue("ends"));
  await expect(app.backend.remove("ends")).rejects.toMatchObject({ code: "TASK_RUNNING" });
  await taken?.progress(50);
  await taken?.succeed();
  expect(await app.backend.remove("ends")).toBe(true);
  expect(await app.backend.remove("waits")).toBe(true);
  expect(await app.backend.remove("waits")).toBe(false);
  const { entries } = await world.store.range({ start: "", end: "\x7f" });
  expect(entries.filter(({ key }) => !key.startsWith("worker/"))).toHaveLength(before);
});

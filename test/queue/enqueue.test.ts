import { expect, test } from "vitest";
import { z } from "zod";
import { StoreUnavailableError } from "../../src/store/store-errors.ts";
import { EnqueuePartialError } from "../../src/task/enqueuer.ts";
import { parseReadyKey, readyRange, tasksRange } from "../../src/task/keyspace.ts";
import { defineTask } from "../../src/task/task.ts";
import { TroubledStore } from "./support/troubled-store.ts";
import { createWorld } from "./support/world.ts";

const format = () =>
  defineTask({
    name: "disk.format",
    input: z.object({ device: z.string() }),
    run: ({ device }) => device,
  });
const count = () => defineTask({ name: "count", run: (n: number) => n });

const refused = (code: string, message = "") =>
  expect.objectContaining({
    code,
    message: expect.stringContaining(message) as unknown as string,
  });
async function partialOf(enqueue: Promise<unknown>): Promise<EnqueuePartialError> {
  const error = await enqueue.catch((thrown: unknown) => thrown);
  if (error instanceof EnqueuePartialError) return error;
  throw new Error("The enqueue did not fail in part.", { cause: error });
}

const unavailable = (applied: "no" | "unknown") => new StoreUnavailableError("gone", applied);

test("delay: the handle says which id was made and at which revision", async () => {
  await using world = createWorld();
  const task = format();
  await world.app([task]);
  const handle = await task.delay({ device: "sdb" }, { idPrefix: "node-7/" });
  expect(handle.id).toMatch(/^node-7\/[0-9A-Z]{26}$/);
  expect(handle.created).toBe(true);
  expect(handle.revision).toBe(world.storage.revision);
  expect(await handle.state()).toMatchObject({
    id: handle.id,
    name: "disk.format",
    state: "pending",
    attempt: 0,
    input: { device: "sdb" },
  });
});

test("delay: ids of one prefix sort by time, also within a millisecond", async () => {
  await using world = createWorld();
  const task = count();
  await world.app([task]);
  const ids: string[] = [];
  for (let n = 0; n < 50; n += 1) ids.push((await task.delay(n, { idPrefix: "a/" })).id);
  expect([...ids].sort()).toEqual(ids);
});

test("delay: the same whole id twice makes one task, and the second handle is of the first", async () => {
  await using world = createWorld();
  const task = count();
  const app = await world.app([task]);
  const first = await task.delay(1, { id: "one" });
  const { revision } = world.storage;
  const second = await task.delay(2, { id: "one", priority: 9 });
  expect([first.created, second.created]).toEqual([true, false]);
  expect(second.id).toBe("one");
  expect(world.storage.revision).toBe(revision);
  expect((await app.backend.list()).tasks).toMatchObject([{ input: 1, priority: 5 }]);
  expect((await app.broker.list()).tasks).toHaveLength(1);
});

test("delay: the same id at the same time from many apps makes one task", async () => {
  await using world = createWorld();
  const apps = await Promise.all([1, 2, 3].map(() => world.app([count()])));
  const handles = await Promise.all(
    apps.flatMap((app) => [1, 2, 3].map((n) => app.enqueue("count", n, { id: "one" }))),
  );
  expect(handles.filter(({ created }) => created)).toHaveLength(1);
  expect((await world.store.range(readyRange())).entries).toHaveLength(1);
});

test("delay: nothing is written when anything is wrong", async () => {
  await using world = createWorld();
  const task = format();
  const any = defineTask({ name: "any", run: (_input: unknown) => 1 });
  await world.app([task, any], { payloadBytesMax: 100 });
  const { revision } = world.storage;
  const good = { device: "sdb" };
  await expect(task.delay({} as typeof good)).rejects.toThrow(refused("INVALID_INPUT", "device"));
  await expect(task.delay(good, { priority: 10 })).rejects.toThrow(refused("INVALID_OPTIONS"));
  await expect(any.delay({ at: [1n] })).rejects.toThrow(refused("NOT_JSON", "input.at[0]"));
  await expect(any.delay("x".repeat(99))).rejects.toThrow(refused("PAYLOAD_TOO_LARGE", "101"));
  await expect(any.delayMany([1, 2, new Map()])).rejects.toThrow(refused("NOT_JSON"));
  await expect(task.delayMany([good, good, {} as typeof good])).rejects.toThrow(
    refused("INVALID_INPUT", "input[2]"),
  );
  expect(world.storage.revision).toBe(revision);
});

test("delay: a payload may have as many bytes as are allowed, and not one more", async () => {
  await using world = createWorld();
  const any = defineTask({ name: "any", run: (_input: unknown) => 1 });
  await world.app([any], { payloadBytesMax: 1_048_576 });
  await any.delay("é".repeat(524_287));
  await expect(any.delay("é".repeat(524_288))).rejects.toThrow(refused("PAYLOAD_TOO_LARGE"));
});

test("delay: any text comes back as it was given", async () => {
  await using world = createWorld();
  const any = defineTask({ name: "any", run: (_input: unknown) => 1 });
  await world.app([any]);
  const input = { text: "caf\ufffd \ud83d\ude00 \u0000 \u2028", "": [[]] };
  const handle = await any.delay(input, { headers: { ü: "\ufffd" } });
  expect(await handle.state()).toMatchObject({ input, headers: { ü: "\ufffd" } });
});

test("enqueue: a name that the app does not know is taken as it is, one that it knows is checked", async () => {
  await using world = createWorld();
  const app = await world.app([format()]);
  const handle = await app.enqueue("mail.send", { to: "a" }, { queue: "mail" });
  expect(await handle.state()).toMatchObject({ name: "mail.send", queue: "mail" });
  await expect(app.enqueue("disk.format", {})).rejects.toThrow(refused("INVALID_INPUT"));
  await expect(app.enqueue("a b")).rejects.toThrow(refused("INVALID_OPTIONS", "task name"));
});

test("delayMany: 5,000 tasks keep their order, in as few commits as hold them", async () => {
  await using world = createWorld();
  const task = count();
  let store: TroubledStore | undefined;
  const app = await world.app([task], {
    decorate: (inner) => {
      store = new TroubledStore(inner);
      return store;
    },
  });
  const inputs = Array.from({ length: 5_000 }, (_, n) => n);
  const handles = await task.delayMany(inputs);
  expect(new Set(handles.map(({ id }) => id)).size).toBe(5_000);
  expect(handles.map(({ id }) => id)).toEqual(handles.map(({ id }) => id).sort());
  expect(store?.commits.length).toBeLessThan(60);
  const waiting: string[] = [];
  for (let cursor: string | undefined, first = true; first || cursor; first = false) {
    const page = await app.broker.list({ limit: 1_000, ...(cursor && { cursor }) });
    waiting.push(...page.tasks.map(({ id }) => id));
    cursor = page.cursor;
  }
  expect(waiting.sort()).toEqual(handles.map(({ id }) => id));
  expect((await handles[4_321]?.state())?.input).toBe(4_321);
});

test("delayMany: an id that comes twice makes one task, also when all have it", async () => {
  await using world = createWorld();
  const task = count();
  const app = await world.app([task]);
  const ids = ["a", "b", "a", "c", "b"];
  const handles = await task.delayMany([0, 1, 2, 3, 4], (_n, index) => ({ id: ids[index] ?? "" }));
  expect(handles.map(({ id, created }) => [id, created])).toEqual([
    ["a", true],
    ["b", true],
    ["a", false],
    ["c", true],
    ["b", false],
  ]);
  expect((await app.backend.list()).tasks.map(({ input }) => input)).toEqual([0, 1, 3]);
  const again = await task.delayMany([5, 6], { id: "c" });
  expect(again.map(({ created }) => created)).toEqual([false, false]);
});

test("delayMany: none is none", async () => {
  await using world = createWorld();
  const task = count();
  await world.app([task]);
  expect(await task.delayMany([])).toEqual([]);
});

test("delayMany: what a failing store did not take is listed, and resume does the rest", async () => {
  await using world = createWorld();
  const task = count();
  let store: TroubledStore | undefined;
  const app = await world.app([task], {
    decorate: (inner) => {
      store = new TroubledStore(inner);
      return store;
    },
  });
  if (!store) throw new Error("The app has no store.");
  const troubled = store;
  const failAfter = (good: number) => {
    let commits = 0;
    troubled.trouble = () => {
      commits += 1;
      if (commits <= good) return undefined;
      const odd = commits % 2 === 1;
      return odd
        ? { at: "before", error: unavailable("no") }
        : { at: "after", error: unavailable("unknown") };
    };
  };
  const inputs = Array.from({ length: 1_000 }, (_, n) => n);
  failAfter(3);
  const ids = inputs.map((n) => `n/${String(n).padStart(4, "0")}`);
  const optionsOf = (_n: number, index: number) => ({ id: ids[index] ?? "" });
  let partial = await partialOf(task.delayMany(inputs, optionsOf));
  for (const good of [2, 1]) {
    expect(partial.landed.length).toBeGreaterThan(0);
    expect(new Set(partial.missing.map(({ applied }) => applied))).toEqual(
      new Set(["no", "unknown"]),
    );
    const known = [...partial.landed, ...partial.missing].map(({ id }) => id);
    expect(known.sort()).toEqual(ids);
    for (const { id, index } of partial.missing) expect(id).toBe(ids[index]);
    failAfter(good);
    partial = await partialOf(partial.resume());
  }
  troubled.trouble = undefined;
  const handles = await partial.resume();
  expect(handles.map(({ id }) => id)).toEqual(ids);
  const specs = await world.store.range(tasksRange(""), { count: true, limit: 1 });
  expect(specs.count).toBe(1_000);
  expect((await world.store.range(readyRange(), { count: true, limit: 1 })).count).toBe(1_000);
  expect((await app.backend.get("n/0999"))?.input).toBe(999);
});

test("enqueue: a task stands in the queue where its options say", async () => {
  await using world = createWorld();
  const task = count();
  await world.app([task]);
  await task.delay(1, { queue: "mail", priority: 8 });
  const [entry] = (await world.store.range(readyRange())).entries;
  expect(parseReadyKey(entry?.key ?? "")).toMatchObject({ queue: "mail", priority: 8 });
});

test("app: once it is closed it takes nothing more", async () => {
  await using world = createWorld();
  const task = count();
  const app = await world.app([task]);
  await app.close();
  await expect(task.delay(1)).rejects.toThrow(refused("TASK_UNBOUND"));
  expect(() => app.createWorker()).toThrow(refused("INVALID_OPTIONS", "closed"));
  await expect(app.broker.dequeue("a")).rejects.toThrow(/There is no task a/);
});

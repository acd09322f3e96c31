import { expect, test } from "vitest";
import type { Finding } from "../../sim/oracle/finding.ts";
import { HistoryCheck } from "../../sim/oracle/history-check.ts";
import type { App } from "../../src/app.ts";
import type { EnqueuePartialError } from "../../src/index.ts";
import { del, put } from "../../src/store/part.ts";
import { StoreUnavailableError } from "../../src/store/store-errors.ts";
import { taskRange } from "../../src/task/keyspace.ts";
import { encodeRecord } from "../../src/task/records.ts";
import { defineTask } from "../../src/task/task.ts";
import { noteEvents } from "./support/events.ts";
import { createScheduleWorld } from "./support/schedules.ts";
import { dropSessions } from "./support/sessions.ts";
import { defineHeldTask, defineQuickTask } from "./support/tasks.ts";
import { TroubledStore } from "./support/troubled-store.ts";
import { createWorld, type World } from "./support/world.ts";

const KEY = { unique: "sdb" };

/** Every entry of the store that begins so. */
async function keys({ store }: World, prefix: string): Promise<string[]> {
  const { entries } = await store.range({ start: prefix, end: `${prefix}~` });
  return entries.map(({ key }) => key);
}

function findings({ storage }: World): readonly Finding[] {
  const check = new HistoryCheck();
  check.run(storage.log);
  return check.findings;
}

test("unique: while the first one waits or runs, delay returns its handle and creates none", async () => {
  await using world = createWorld();
  const held = defineHeldTask<string>("scan");
  const app = await world.app([held.task]);
  const first = await held.task.delay("first", KEY);
  const second = await held.task.delay("second", KEY);
  expect(first).toMatchObject({ created: true, enqueued: "created" });
  expect(second).toMatchObject({ id: first.id, created: false, enqueued: "joined" });
  await app.createWorker().start();
  await world.until(() => held.calls.length === 1);
  expect(await held.task.delay("third", KEY)).toMatchObject({ id: first.id, created: false });
  held.calls[0]?.end.resolve("done");
  expect(await world.drive(second.result())).toBe("done");
  const next = await held.task.delay("next", KEY);
  expect(next).toMatchObject({ created: true });
  expect(next.id).not.toBe(first.id);
  expect((await app.backend.list()).tasks).toHaveLength(2);
  held.calls[1]?.end.resolve("done");
});

test("unique: keys are of one kind of task, and other keys are free", async () => {
  await using world = createWorld();
  const scan = defineQuickTask("scan");
  const wipe = defineQuickTask("wipe");
  await world.app([scan, wipe]);
  const handles = [
    await scan.delay({ n: 1 }, { unique: "a" }),
    await scan.delay({ n: 1 }, { unique: "a/b" }),
    await wipe.delay({ n: 1 }, { unique: "a" }),
    await wipe.delay({ n: 1 }),
  ];
  expect(handles.map(({ created }) => created)).toEqual([true, true, true, true]);
  expect((await handles[1]?.state())?.unique).toBe("a/b");
  expect((await handles[3]?.state())?.unique).toBeUndefined();
});

test("unique: a definition's key follows from the input, and an enqueue's goes before it", async () => {
  await using world = createWorld();
  const scan = defineTask({
    name: "scan",
    unique: ({ disk }) => disk,
    run: ({ disk }: { disk: string }) => disk,
  });
  const app = await world.app([scan]);
  const first = await scan.delay({ disk: "sdb" });
  expect(await scan.delay({ disk: "sdb" })).toMatchObject({ id: first.id, created: false });
  expect(await app.enqueue("scan", { disk: "sdb" })).toMatchObject({ id: first.id });
  expect(await scan.delay({ disk: "sdc" })).toMatchObject({ created: true });
  expect(await scan.delay({ disk: "sdb" }, { unique: "other" })).toMatchObject({ created: true });
  await expect(scan.delay({ disk: "" })).rejects.toThrow(/^unique must have/);
});

/** Each way in which a unique task ends or goes, and what it takes to get there. */
const ends: [string, (world: World, app: App, id: string) => Promise<unknown>][] = [
  ["was cancelled while it waited", (_world, app, id) => app.broker.cancel(id)],
  ["was removed while it waited", (_world, app, id) => app.broker.remove(id)],
  ["was purged", (_world, { queues }) => queues.purge("default", { confirm: "default" })],
  ["was not started in time", ({ clock }) => clock.advance(61_000)],
  ["was finished by hand", async (_world, app, id) => (await app.broker.dequeue(id))?.succeed(1)],
  [
    "failed by hand",
    async (_world, app, id) => (await app.broker.dequeue(id))?.fail(new Error("no")),
  ],
  [
    "was cancelled by force",
    async (world, app, id) => {
      const taken = await app.broker.dequeue(id);
      await app.broker.cancel(id, { grace: "1s" });
      await world.clock.advance(20_000);
      await taken?.release().catch(() => {});
    },
  ],
];

test.each(ends)("unique: the key of a task that %s is free at once", async (_how, end) => {
  await using world = createWorld();
  const app = await world.app();
  app.createBeat().start();
  const first = await app.enqueue("scan", 1, { ...KEY, expiresIn: "1m" });
  expect(await keys(world, "unique/")).toEqual(["unique/scan/sdb"]);
  await end(world, app, first.id);
  expect(await keys(world, "unique/")).toEqual([]);
  expect(await app.enqueue("scan", 1, KEY)).toMatchObject({ created: true });
  expect(findings(world)).toEqual([]);
});

test("row 25: the key of a task whose worker dies is its until it is rescued and has ended", async () => {
  await using world = createWorld();
  const held = defineHeldTask<number>("scan", { retry: { attempts: 100 } });
  const app = await world.app([held.task]);
  const worker = app.createWorker({ leaseTtl: "5s" });
  await worker.start();
  const first = await held.task.delay(1, KEY);
  for (let lost = 1; lost <= 3; lost += 1) {
    await world.until(() => held.calls.length === lost);
    const { id } = worker;
    await dropSessions(world, id);
    expect(await held.task.delay(2, KEY)).toMatchObject({ id: first.id, created: false });
    await world.until(() => worker.id !== id);
  }
  expect(await world.drive(first.settle())).toMatchObject({
    state: "failed",
    error: { code: "WORKER_LOST" },
  });
  expect(await keys(world, "unique/")).toEqual([]);
  for (const { end } of held.calls) end.resolve("too late");
  const next = await held.task.delay(3, KEY);
  expect(next.created).toBe(true);
  await world.until(() => held.calls.length === 4);
  held.calls[3]?.end.resolve("done");
  expect(await world.drive(next.result())).toBe("done");
  expect(findings(world)).toEqual([]);
});

test("row 25: no time passes over a unique task, and the sweep of an old one frees no key", async () => {
  await using world = createWorld();
  const held = defineHeldTask<number>("scan", { retention: "1m" });
  const app = await world.app([held.task]);
  await app.createWorker().start();
  const first = await held.task.delay(1, KEY);
  await world.until(() => held.calls.length === 1);
  held.calls[0]?.end.resolve(1);
  await world.drive(first.result());
  const second = await held.task.delay(2, KEY);
  await world.until(() => held.calls.length === 2);
  await world.clock.advance(600_000);
  expect(await app.backend.get(first.id)).toBeUndefined();
  expect(await held.task.delay(3, KEY)).toMatchObject({ id: second.id, created: false });
  held.calls[1]?.end.resolve(2);
  await world.drive(second.result());
});

test("row 25: a task that is to be kept for no time frees its key when it ends", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("scan");
  const app = await world.app([quick]);
  await app.createWorker().start();
  for (let n = 1; n <= 3; n += 1) {
    const handle = await quick.delay({ n }, { ...KEY, retention: 0 });
    expect(handle.created).toBe(true);
    expect(await world.drive(handle.result())).toBe(n);
  }
  expect(await keys(world, "unique/")).toEqual([]);
});

test("row 25: of a hundred producers that race one creates the task, at every turn", async () => {
  await using world = createWorld();
  const apps = await Promise.all(Array.from({ length: 10 }, () => world.app()));
  for (let turn = 0; turn < 5; turn += 1) {
    const racing = apps.flatMap((app) =>
      Array.from({ length: 10 }, (_, n) => app.enqueue("scan", n, KEY)),
    );
    const handles = await world.drive(Promise.all(racing));
    expect(handles.filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(handles.map(({ id }) => id)).size).toBe(1);
    await apps[turn]?.broker.cancel(handles[0]?.id ?? "");
  }
  expect(findings(world)).toEqual([]);
});

test("row 25: a key whose task somebody deleted by hand is not lost", async () => {
  await using world = createWorld();
  const app = await world.app();
  const first = await app.enqueue("scan", 1, KEY);
  const { entries } = await world.store.range(taskRange(first.id));
  await world.store.commit([{ guards: [], writes: entries.map(({ key }) => del(key)) }]);
  const second = await app.enqueue("scan", 1, KEY);
  expect(second.created).toBe(true);
  await world.store.commit([
    { guards: [], writes: [put("unique/scan/damaged", encodeRecord({ id: 7 }))] },
  ]);
  expect((await app.enqueue("scan", 1, { unique: "damaged" })).created).toBe(true);
  expect(await app.enqueue("scan", 1, KEY)).toMatchObject({ id: second.id, created: false });
});

test("unique: an id that exists and a key that is taken are both joined", async () => {
  await using world = createWorld();
  const app = await world.app();
  await app.enqueue("scan", 1, { ...KEY, id: "a" });
  expect(await app.enqueue("scan", 1, { ...KEY, id: "b" })).toMatchObject({ id: "a" });
  expect(await app.enqueue("scan", 1, { unique: "other", id: "a" })).toMatchObject({
    id: "a",
    created: false,
  });
  expect(await keys(world, "unique/")).toEqual(["unique/scan/sdb"]);
});

test("unique: delayMany makes one task of each key, whatever was there and in what order", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("scan");
  const app = await world.app([quick]);
  const there = await quick.delay({ n: 100 }, { unique: "k3" });
  const inputs = Array.from({ length: 1_000 }, (_, n) => ({ n }));
  const handles = await world.drive(
    quick.delayMany(inputs, ({ n }) => (n % 100 === 99 ? {} : { unique: `k${n % 7}` })),
  );
  const plain = handles.filter((_, n) => n % 100 === 99);
  expect(plain.every(({ created }) => created)).toBe(true);
  const unique = handles.flatMap((handle, n) => (n % 100 === 99 ? [] : [{ n, handle }]));
  expect(unique.filter(({ handle }) => handle.created).map(({ n }) => n)).toEqual([
    0, 1, 2, 4, 5, 6,
  ]);
  for (const { n, handle } of unique) {
    const first = n % 7 === 3 ? there : handles[n % 7];
    expect(handle.id, String(n)).toBe(first?.id);
  }
  expect((await app.backend.list({ limit: 1_000 })).tasks).toHaveLength(7 + 10);
});

test("unique: a delayMany whose answers are lost resumes without a second task", async () => {
  await using world = createWorld();
  const quick = defineQuickTask("scan");
  const stores: TroubledStore[] = [];
  const app = await world.app([quick], {
    decorate: (inner) => {
      const store = new TroubledStore(inner);
      stores.push(store);
      return store;
    },
  });
  const [store] = stores as [TroubledStore];
  store.trouble = () => ({ at: "before", error: new StoreUnavailableError("gone", "unknown") });
  const failed = await quick
    .delayMany([{ n: 1 }, { n: 2 }, { n: 3 }], ({ n }) => ({ unique: n < 3 ? "a" : "b" }))
    .catch((error) => error as EnqueuePartialError);
  if (!("resume" in failed)) throw new Error("It landed.");
  expect(failed.missing.map(({ applied }) => applied)).toEqual(["unknown", "no", "unknown"]);
  store.trouble = undefined;
  const handles = await failed.resume();
  expect(handles.map(({ created }) => created)).toEqual([true, false, true]);
  expect(handles[1]?.id).toBe(handles[0]?.id);
  expect((await app.backend.list()).tasks).toHaveLength(2);
});

test("unique: while the store accepts no new task, that is what is said", async () => {
  await using world = createWorld();
  const app = await world.app();
  const first = await app.enqueue("scan", 1, KEY);
  await world.store.commit([{ guards: [], writes: [put("beat/admission", encodeRecord({}))] }]);
  expect(await app.enqueue("scan", 1, KEY)).toMatchObject({ id: first.id, created: false });
  const refused = app.enqueue("scan", 1, { unique: "other" });
  await expect(refused).rejects.toMatchObject({ code: "STORE_NEARLY_FULL" });
});

test("retry: a unique task takes its key again, or says who has it", async () => {
  await using world = createWorld();
  const app = await world.app();
  const first = await app.enqueue("scan", 1, KEY);
  await first.cancel();
  const second = await app.enqueue("scan", 2, KEY);
  const refused = first.retry();
  await expect(refused).rejects.toMatchObject({ code: "TASK_NOT_UNIQUE", holder: second.id });
  expect((await first.state()).state).toBe("cancelled");
  await second.cancel();
  await first.retry();
  expect(await app.enqueue("scan", 3, KEY)).toMatchObject({ id: first.id, created: false });
  await expect(second.retry()).rejects.toMatchObject({ holder: first.id });
  expect(findings(world)).toEqual([]);
});

test("retryMany: of failed tasks with one key one runs once more, the others are skipped", async () => {
  await using world = createWorld();
  const app = await world.app();
  for (let n = 0; n < 5; n += 1) {
    const { id } = await app.enqueue("scan", n, KEY);
    await (await app.broker.dequeue(id))?.fail(new Error("no"));
  }
  expect(await world.drive(app.broker.retryMany())).toMatchObject({ retried: 1, skipped: 4 });
  expect(await keys(world, "unique/")).toEqual(["unique/scan/sdb"]);
  expect(findings(world)).toEqual([]);
});

test("schedules: a run whose key is taken is left out, whoever has the key", async () => {
  await using bundle = await createScheduleWorld();
  const { world, app } = bundle;
  using skips = noteEvents("etask:schedule:skipped");
  await app.schedules.create("s", { task: "scan", every: "10s", overlap: "allow", ...KEY });
  bundle.tick();
  const other = await app.enqueue("scan", 1, KEY);
  await world.clock.advance(25_000);
  expect(bundle.ticked("s")).toEqual([]);
  expect(skips.seen.map(({ why }) => why)).toEqual(["unique", "unique"]);
  expect(await app.schedules.trigger("s")).toMatchObject({ id: other.id, created: false });
  await other.cancel();
  await world.clock.advance(20_000);
  expect(bundle.ticked("s")).toEqual([30]);
  expect(await app.schedules.get("s")).toMatchObject({ unique: "sdb", fired: 1, skipped: 3 });
  await app.broker.cancel(bundle.idAt("s", 30));
  expect(await app.schedules.trigger("s")).toMatchObject({ created: true });
});

test("schedules: a key whose task is gone holds no run up", async () => {
  await using bundle = await createScheduleWorld();
  const { world, app } = bundle;
  const claim = put("unique/scan/sdb", encodeRecord({ id: "gone" }));
  await world.store.commit([{ guards: [], writes: [claim] }]);
  await app.schedules.create("s", { task: "scan", every: "10s", overlap: "allow", ...KEY });
  bundle.tick();
  await world.clock.advance(11_000);
  expect(bundle.ticked("s")).toEqual([10]);
});

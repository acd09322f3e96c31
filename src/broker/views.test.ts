import { expect, test } from "vitest";
import type { Random } from "../base/random.ts";
import { createMemoryStorage } from "../store/memory/index.ts";
import { keyPresent, type Part, put } from "../store/part.ts";
import type { Store } from "../store/store.ts";
import { resolveDelayOptions } from "../task/enqueue-options.ts";
import { handKey, readyRange, taskKey, workerKey } from "../task/keyspace.ts";
import { encodeRecord } from "../task/records.ts";
import { createSeededRandom } from "../testing/seeded-random.ts";
import { createVirtualClock, type VirtualClock } from "../testing/virtual-clock.ts";
import { Broker } from "./broker.ts";
import { listQueues, waitingQueues } from "./queue-view.ts";
import { readReady } from "./read-ready.ts";
import { listRunning } from "./running-view.ts";
import { takeBatch } from "./take.ts";
import { listWorkers } from "./worker-view.ts";

interface Bundle {
  readonly clock: VirtualClock;
  readonly store: Store;
  readonly broker: Broker;
  enqueue(id: string, queue: string, priority?: number): Promise<void>;
  register(worker: string, queues?: readonly string[]): Promise<void>;
  /** Takes everything that waits in the queue, in one batch. */
  takeAll(worker: string, queue: string, batch: number): Promise<void>;
}

function setup(): Bundle {
  const clock = createVirtualClock();
  const store = createMemoryStorage({ clock }).open();
  const random: Random = createSeededRandom(1);
  const broker = new Broker(store, { clock, random }, 1_000);
  const write = (key: string, record: object) =>
    store.commit([{ guards: [], writes: [put(key, encodeRecord(record))] }]);
  return {
    clock,
    store,
    broker,
    enqueue: async (id, queue, priority = 5) => {
      const options = resolveDelayOptions({}, { id, queue, priority });
      await broker.enqueue({ name: "disk.format", input: {}, options });
    },
    register: async (worker, queues = ["default"]) => {
      const facts = { host: `host-of-${worker}`, pid: 7, kinds: ["disk.format"], concurrency: 3 };
      await write(workerKey(worker), {
        ...facts,
        queues,
        startedAt: clock.now(),
        version: "0.1.0",
      });
    },
    takeAll: async (worker, queue, batch) => {
      const { entries } = await store.range(readyRange(queue));
      const ready = entries.flatMap((entry) => readReady(entry) ?? []);
      const alive = keyPresent(workerKey(worker));
      const taker = { worker, alive, settingsRevision: () => 0 };
      await store.commit(takeBatch(taker, batch, ready, clock.now()).parts);
    },
  };
}

test("queues: a store without anything has none", async () => {
  const { broker } = setup();
  expect(await broker.queues()).toEqual([]);
  expect(await broker.workers()).toEqual([]);
});

test("queues: each shows its depth, the age of its oldest task, and who works on it", async () => {
  const { clock, store, enqueue, register } = setup();
  const start = clock.now();
  await enqueue("low", "mail", 1);
  await clock.advance(1_000);
  for (let index = 0; index < 30; index += 1) await enqueue(`mail-${index}`, "mail", 9);
  await enqueue("other", "disk");
  await register("w1", ["mail", "idle"]);
  await register("w2", ["mail"]);

  const nothing = { running: 0, runningExact: true, paused: undefined, settings: {} };
  const none = { ...nothing, waitingIdle: 0 };
  expect(await listQueues(store)).toEqual([
    { queue: "disk", waiting: 1, oldestAt: new Date(start + 1_000), workers: 0, ...none },
    { queue: "idle", waiting: 0, oldestAt: undefined, workers: 1, ...none },
    { queue: "mail", waiting: 31, oldestAt: new Date(start), workers: 2, ...none },
  ]);
});

test("queues: a queue whose name begins with that of another is told apart from it", async () => {
  const { store, enqueue } = setup();
  await enqueue("a", "mail");
  await enqueue("b", "mail-2");
  await enqueue("c", "mail.x");
  expect((await waitingQueues(store)).sort()).toEqual(["mail", "mail-2", "mail.x"]);
  expect((await listQueues(store)).map(({ waiting }) => waiting)).toEqual([1, 1, 1]);
});

test("queues: keys under ready/ that are not ours hide no queue", async () => {
  const { store, enqueue } = setup();
  await enqueue("a", "mail");
  const strays = ["ready/", "ready/a", "ready/mail/x", "ready/mail/0/5ZZ", "ready/zz/9/5UUUUUUUU"];
  const parts: Part[] = strays.map((key) => ({ guards: [], writes: [put(key, Buffer.alloc(0))] }));
  await store.commit(parts);
  const queues = await listQueues(store);
  expect(queues.map(({ queue }) => queue)).toEqual(["mail"]);
  expect(queues[0]?.oldestAt).toBeInstanceOf(Date);
});

test("running: counts by worker and by queue what the tasks' own states say", async () => {
  const { store, broker, clock, enqueue, register, takeAll } = setup();
  await register("w1", ["mail", "disk"]);
  await register("w2", ["mail"]);
  await enqueue("a", "mail");
  await enqueue("b", "mail");
  await takeAll("w1", "mail", 1);
  await enqueue("c", "disk");
  await takeAll("w1", "disk", 2);
  await enqueue("d", "mail");
  await takeAll("w2", "mail", 1);

  const running = await listRunning(store);
  expect(running.complete).toBe(true);
  expect(running.tasks).toEqual(
    [
      { id: "a", worker: "w1", queue: "mail" },
      { id: "b", worker: "w1", queue: "mail" },
      { id: "c", worker: "w1", queue: "disk" },
      { id: "d", worker: "w2", queue: "mail" },
    ].map((task) => ({ ...task, attempt: 1, takenAt: new Date(clock.now()) })),
  );
  expect((await listRunning(store, { worker: "w2" })).tasks.map(({ id }) => id)).toEqual(["d"]);
  expect((await broker.workers()).map(({ id, running: n }) => [id, n])).toEqual([
    ["w1", 3],
    ["w2", 1],
  ]);
  expect((await broker.queues()).map(({ queue, running: n }) => [queue, n])).toEqual([
    ["disk", 1],
    ["mail", 3],
  ]);
});

test("running: what has ended, or was taken again in another batch, does not count", async () => {
  const { store, enqueue, register, takeAll } = setup();
  await register("w1");
  for (const id of ["ended", "again", "runs"]) await enqueue(id, "default");
  await takeAll("w1", "default", 1);
  const change = (id: string, record: object) =>
    store.commit([{ guards: [], writes: [put(taskKey(id, "state"), encodeRecord(record))] }]);
  await change("ended", { state: "succeeded", attempt: 1, worker: "w1", hand: 1, at: 1 });
  await change("again", { state: "running", attempt: 2, worker: "w1", hand: 2, at: 1 });
  expect((await listRunning(store)).tasks.map(({ id }) => id)).toEqual(["runs"]);
});

test("running: says so when there is more to look at than it may", async () => {
  const { store, enqueue, register, takeAll } = setup();
  await register("w1");
  for (const id of ["a", "b", "c"]) await enqueue(id, "default");
  await takeAll("w1", "default", 1);
  const { tasks, complete } = await listRunning(store, { looks: 2 });
  expect(tasks).toHaveLength(2);
  expect(complete).toBe(false);
});

test("workers: come in the order of registration, with all that is known of them", async () => {
  const { store, clock, register } = setup();
  await register("zz");
  await clock.advance(5_000);
  await register("aa", ["mail"]);
  const [first, second] = await listWorkers(store);
  expect(first?.id).toBe("zz");
  expect(second).toEqual({
    id: "aa",
    host: "host-of-aa",
    pid: 7,
    version: "0.1.0",
    queues: ["mail"],
    kinds: ["disk.format"],
    concurrency: 3,
    running: 0,
    runningExact: true,
    startedAt: new Date(clock.now()),
    revision: 3,
  });
});

test("workers: a damaged record is left out", async () => {
  const { store, register } = setup();
  await register("w1");
  await store.commit([
    { guards: [], writes: [put(workerKey("w0"), Buffer.from("{"))] },
    { guards: [], writes: [put(handKey("w1", 1), Buffer.from("[]"))] },
  ]);
  expect((await listWorkers(store)).map(({ id }) => id)).toEqual(["w1"]);
});

import { expect, test } from "vitest";
import { viewQueues } from "../../broker/queue-view.ts";
import { listRunning } from "../../broker/running-view.ts";
import { readWorkers } from "../../broker/worker-view.ts";
import { createMemoryStorage } from "../../store/memory/index.ts";
import { del, put } from "../../store/part.ts";
import { handKey, readyKey, taskKey, workerKey } from "../../task/keyspace.ts";
import { encodeRecord } from "../../task/records.ts";
import { createVirtualClock } from "../../testing/virtual-clock.ts";
import { listenForRecords, readSomeTasks, recordFindings } from "./records.ts";
import { checkKinds, checkRunning, queueFindings } from "./work.ts";

const SEQUENCE = "01J1RXAMZZ8M0S2T0V7Y6C2W5N";

function setup() {
  const store = createMemoryStorage({ clock: createVirtualClock() }).open();
  const write = async (key: string, record: object) => {
    await store.commit([{ guards: [], writes: [put(key, encodeRecord(record))] }]);
  };
  const spec = { name: "disk.format", priority: 5, createdAt: 1, sequence: SEQUENCE };
  return {
    store,
    register: (worker: string, queues: readonly string[], kinds: readonly string[]) =>
      write(workerKey(worker), {
        ...{ host: "h", pid: 1, concurrency: 3, startedAt: 1, version: "0.1.0" },
        ...{ queues, kinds },
      }),
    unregister: (worker: string) =>
      store.commit([{ guards: [], writes: [del(workerKey(worker))] }]),
    wait: (id: string, queue: string, name = "disk.format") =>
      write(readyKey(id, { queue, priority: 5, sequence: SEQUENCE }), { id, name }),
    run: async (id: string, worker: string) => {
      await write(taskKey(id, "spec"), { ...spec, id, queue: "default" });
      const state = { state: "running", attempt: 1, worker, hand: 1, at: 1 };
      await write(taskKey(id, "state"), state);
      await write(handKey(worker, 1), { queues: { default: [id] } });
    },
    look: async () => {
      const running = await listRunning(store);
      const workers = await readWorkers(store);
      return { running, workers, queues: await viewQueues(store, workers, running) };
    },
  };
}

test("doctor: an empty store lacks a worker and nothing else", async () => {
  const { store, look } = setup();
  const { running, workers, queues } = await look();
  const findings = [
    ...queueFindings(workers, queues),
    ...(await checkKinds(store, workers, queues)),
    ...(await checkRunning(store, running.tasks, workers)),
  ];
  expect(findings.filter(({ level }) => level !== "ok")).toEqual([
    {
      ...{ level: "warning", check: "workers", message: "no worker is running" },
      advice: "Start one: etask worker --app FILE",
    },
  ]);
});

test("doctor: a queue in which tasks wait without a worker is an error", async () => {
  const { register, wait, look } = setup();
  await register("w1", ["default"], ["disk.format"]);
  await wait("a", "default");
  await wait("b", "mail");
  const { workers, queues } = await look();
  expect(queueFindings(workers, queues)).toMatchObject([
    { level: "ok", message: "1 live worker on 1 host" },
    { level: "error", check: "queues", message: "no live worker takes from: mail (1 waiting)" },
  ]);
});

test("doctor: a kind that no worker of the queue knows is an error", async () => {
  const { store, register, wait, look } = setup();
  await register("w1", ["default"], ["disk.format"]);
  await register("w2", ["mail"], ["mail.send"]);
  await wait("a", "default", "mail.send");
  await wait("b", "default");
  await wait("c", "mail", "mail.send");
  await wait("d", "nobody", "lost");
  const { workers, queues } = await look();
  expect(await checkKinds(store, workers, queues)).toMatchObject([
    {
      level: "error",
      check: "kinds",
      message: expect.stringMatching(/: mail.send in default \(1\)$/),
    },
  ]);
});

test("doctor: a task under a worker that is gone is an error when nobody is left", async () => {
  const { store, register, unregister, run, look } = setup();
  await register("w1", ["default"], []);
  await register("w2", ["default"], []);
  await run("a", "w1");
  await run("b", "w2");
  await unregister("w1");
  const one = await look();
  expect(await checkRunning(store, one.running.tasks, one.workers)).toMatchObject([
    { level: "warning", message: "1 task left behind by workers that are gone: a" },
  ]);
  await unregister("w2");
  const none = await look();
  expect(await checkRunning(store, none.running.tasks, none.workers)).toMatchObject([
    { level: "error", message: expect.stringMatching(/^2 tasks left behind .*: a, b$/) },
  ]);
});

test("doctor: a task that was put back meanwhile is none that was left behind", async () => {
  const { store, register, unregister, run, look } = setup();
  await register("w1", ["default"], []);
  await run("a", "w1");
  await unregister("w1");
  const { running, workers } = await look();
  const back = encodeRecord({ state: "pending", attempt: 1, worker: "w1", at: 2 });
  await store.commit([{ guards: [], writes: [put(taskKey("a", "state"), back)] }]);
  expect(await checkRunning(store, running.tasks, workers)).toMatchObject([{ level: "ok" }]);
});

test("doctor: damaged records are named, and only while it listens", async () => {
  const { store, run } = setup();
  await run("a", "w1");
  await store.commit([{ guards: [], writes: [put(taskKey("b", "spec"), Buffer.from("{"))] }]);
  {
    using records = listenForRecords();
    const tasks = await readSomeTasks(store);
    expect(recordFindings(records, tasks)).toMatchObject({
      level: "warning",
      message: "damaged, or not etask's: task/b#spec (The record is not valid JSON.)",
    });
  }
  using records = listenForRecords();
  expect(recordFindings(records, 1)).toMatchObject({ level: "ok" });
});

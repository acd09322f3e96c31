import { expect, test } from "vitest";
import { type App, createApp, defineTask, type TaskHandle } from "../../src/index.ts";
import { decodeState } from "../../src/task/decode.ts";
import { parseTaskKey, tasksRange } from "../../src/task/keyspace.ts";
import { scenarioStores } from "./stores.ts";

const ROUNDS = 15;
const WORKERS = 3;

function defineQuick() {
  return defineTask({ name: "quick", run: (input: { n: number }) => input.n });
}

/** The revisions of all takes after `after`, in order. */
async function takes(app: App, after: number): Promise<number[]> {
  const ending = new AbortController();
  const marker = await app.enqueue("marker", 0, { queue: "nobody" });
  const found: number[] = [];
  for await (const { events } of app.store.watch(tasksRange(""), {
    after,
    signal: ending.signal,
  })) {
    for (const event of events) {
      const key = parseTaskKey(event.key);
      if (key?.id === marker.id) ending.abort();
      if (key?.part !== "state" || event.type !== "put") continue;
      if (decodeState(event.entry.value).state === "running") found.push(event.modRevision);
    }
  }
  return found;
}

for (const { name, open } of scenarioStores) {
  test(`pause is exact under load: no take after its revision, on ${name}`, {
    timeout: 120_000,
  }, async () => {
    await using opened = await open();
    const task = defineQuick();
    await using app = await createApp({ store: opened.url, tasks: [task], beat: false });
    const others = await Promise.all(
      Array.from({ length: WORKERS }, () =>
        createApp({ store: opened.url, tasks: [defineQuick()], beat: false }),
      ),
    );
    // The producer's own tasks are bound to the app that was opened last.
    const produce = (count: number) =>
      Promise.all(Array.from({ length: count }, (_, n) => app.enqueue("quick", { n })));
    const { revision: begin } = await app.backend.list({ limit: 1 });
    for (const other of others) await other.createWorker({ concurrency: 20 }).start();
    const pauses: { from: number; to: number }[] = [];
    const handles: TaskHandle[] = [];
    let producing = true;
    const load = (async () => {
      while (producing) {
        const some = await produce(200);
        handles.push(...some);
        await Promise.all(some.map((handle) => handle.result({ timeout: "60s" })));
      }
    })();
    for (let round = 0; round < ROUNDS; round += 1) {
      await app.enqueue("quick", { n: round }).then((handle) => handle.result({ timeout: "30s" }));
      const { revision: from } = await app.queues.pause("default");
      // Every worker would have its chance while these come.
      handles.push(...(await produce(100)));
      const { revision: to } = await app.queues.resume("default");
      pauses.push({ from, to });
    }
    producing = false;
    await load;
    await Promise.all(handles.map((handle) => handle.result({ timeout: "60s" })));
    const taken = await takes(app, begin);
    await Promise.all(others.map((other) => other.close()));
    expect(taken.length).toBeGreaterThanOrEqual(handles.length);
    const wrong = taken.filter((at) => pauses.some(({ from, to }) => at > from && at < to));
    expect(wrong).toEqual([]);
  });
}

import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { type App, createApp, defineTask } from "../../src/index.ts";
import { createMemoryStorage } from "../../src/store/memory/index.ts";
import type { Store } from "../../src/store/store.ts";
import { noteEvents } from "../queue/support/events.ts";
import { scenarioStores } from "../scenario/stores.ts";
import { ROOMY } from "./support.ts";

interface Opened extends AsyncDisposable {
  readonly store: string | Store;
}

const stores: readonly { name: string; open(): Promise<Opened> }[] = [
  {
    name: "memory",
    open: async () => ({
      store: createMemoryStorage().open(),
      [Symbol.asyncDispose]: async () => {},
    }),
  },
  ...scenarioStores.map(({ name, open }) => ({
    name,
    open: async () => {
      const opened = await open();
      return { store: opened.url, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
    },
  })),
];

/** Sleeps until it is told to stop. */
function defineScrub() {
  return defineTask({
    name: "scrub",
    when: "idle",
    preempt: true,
    run: (_input: number, { signal }) => wait(3_600_000, undefined, { signal }).then(() => {}),
  });
}

async function workersOf(app: App) {
  return (await app.broker.workers()).map(({ room }) => room);
}

for (const { name, open } of stores) {
  describe(`idle work on ${name}`, () => {
    test("idle: the probe stops it within seconds, gives it back uncounted, and lets it resume", async () => {
      await using opened = await open();
      const scrub = defineScrub();
      let room = true;
      await using app = await createApp({ store: opened.store, tasks: [scrub], beat: false });
      using finished = noteEvents("etask:task:finished");
      using taken = noteEvents("etask:task:taken");
      using said = noteEvents("etask:worker:room");
      const probe = async () => room;
      await app.createWorker({ concurrency: 2, drain: 0, idle: { ...ROOMY, probe } }).start();
      const handle = await scrub.delay(1);
      await taken.wait();
      room = false;
      const begun = performance.now();
      await finished.wait();
      expect(performance.now() - begun).toBeLessThan(5_000);
      expect(finished.seen).toMatchObject([{ id: handle.id, state: "released" }]);
      expect(await handle.state()).toMatchObject({ state: "pending", attempt: 0 });
      await said.wait(1, ({ idle }) => !idle);
      room = true;
      const calm = performance.now();
      await taken.wait(2);
      expect(performance.now() - calm).toBeLessThan(15_000);
      expect(await handle.state()).toMatchObject({ state: "running", attempt: 1 });
    });

    test("idle: what is not idle starts at once, whatever idle work there is", async () => {
      await using opened = await open();
      const scrub = defineScrub();
      const brief = defineTask({ name: "brief", run: (ms: number) => wait(ms) });
      const tasks = [scrub, brief];
      await using app = await createApp({ store: opened.store, tasks, beat: false });
      using taken = noteEvents("etask:task:taken");
      const worker = app.createWorker({ concurrency: 4, drain: 0, idle: ROOMY });
      await worker.start();
      await scrub.delayMany(Array.from({ length: 200 }, (_, n) => n));
      await taken.wait(3);
      // Three of them have to wait until an idle task was given back.
      await brief.delayMany([500, 500, 500, 500]);
      await taken.wait(4, (event) => event.name === "brief");
      await taken.wait(3 + 3, (event) => event.name === "scrub");
      expect(worker.running).toBeLessThanOrEqual(4 + 4);
      expect((await workersOf(app))[0]).toMatchObject({ idle: true, why: [] });
    });
  });
}

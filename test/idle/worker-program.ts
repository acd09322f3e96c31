/** The program of a worker whose idle tasks wait for their signal, and quick ones end at once. */
import { channel } from "node:diagnostics_channel";
import { setTimeout as wait } from "node:timers/promises";
import { createApp, defineTask, type WorkerOptions } from "../../src/index.ts";

const [store = "", options = "{}"] = process.argv.slice(2);
const EVENTS = [
  "etask:worker:started",
  "etask:worker:room",
  "etask:worker:resized",
  "etask:task:taken",
  "etask:task:finished",
];
for (const name of EVENTS) {
  channel(name).subscribe((event) => process.send?.({ name, event }));
}

const scrub = defineTask({
  name: "scrub",
  run: (ms: number, { signal }) => wait(ms, undefined, { signal }).then(() => {}),
});
const quick = defineTask({ name: "quick", run: (n: number) => n });
/** Busy for a while, but never for long at a time. */
const grind = defineTask({
  name: "grind",
  run: async (ms: number, { signal }) => {
    const end = Date.now() + ms;
    while (Date.now() < end) {
      const turn = Date.now() + 10;
      while (Date.now() < turn);
      await wait(0, undefined, { signal });
    }
  },
});

await using app = await createApp({ store, tasks: [scrub, quick, grind] });
await app.createWorker(JSON.parse(options) as WorkerOptions).run();

/** A worker process of the benchmark: counts what it finished and tells its parent. */
import { channel } from "node:diagnostics_channel";
import { createApp } from "etask";
import { empty, stamp } from "./tasks.ts";

const [store = "", queue = "", concurrency = "200"] = process.argv.slice(2);
let finished = 0;
let firstAt = 0;
let lastAt = 0;
channel("etask:task:taken").subscribe(() => {
  if (firstAt === 0) firstAt = performance.now();
});
channel("etask:task:finished").subscribe(() => {
  finished += 1;
  lastAt = performance.now();
});
channel("etask:loop:failed").subscribe((event) => console.error(event));

await using app = await createApp({ store, tasks: [empty, stamp] });
const worker = app.createWorker({ queues: [queue], concurrency: Number(concurrency) });
await worker.start();
process.send?.({ ready: true });
const report = setInterval(() => {
  process.send?.({ finished, ms: lastAt - firstAt });
}, 20);
await new Promise<void>((resolve) => {
  process.once("message", () => resolve());
  process.once("disconnect", () => resolve());
});
clearInterval(report);
await worker.stop();
process.disconnect?.();

/** The program of a worker process: tells its parent what happens, and stops when told to. */
import { channel } from "node:diagnostics_channel";
import { type AppOptions, createApp, type WorkerOptions } from "../../src/index.ts";
import { tasks } from "./tasks.ts";

const [store = "", options = "{}", appOptions = "{}"] = process.argv.slice(2);
const EVENTS = [
  "etask:worker:started",
  "etask:worker:lease-lost",
  "etask:worker:stopped",
  "etask:task:taken",
  "etask:task:finished",
  "etask:task:stale",
  "etask:task:rescued",
  "etask:store:resolving",
  "etask:beat:elected",
  "etask:beat:resigned",
];
for (const name of EVENTS) {
  channel(name).subscribe((event) => process.send?.({ name, event }));
}
channel("etask:loop:failed").subscribe((message) => {
  const { loop, error } = message as { loop: string; error: unknown };
  process.send?.({ name: "etask:loop:failed", event: { loop, error: String(error) } });
});

const app = await createApp({ store, tasks, ...(JSON.parse(appOptions) as AppOptions) });
await app.createWorker(JSON.parse(options) as WorkerOptions).run();
await app.close();
// As the command does: a handler that is deaf to its signal must not keep the process.
process.disconnect?.();
process.exit(0);

/** A worker process of the demo. SIGTERM stops it; so does the end of the process that began it. */
import { channel } from "node:diagnostics_channel";
import { createApp } from "etask";
import { fleetTasks } from "./tasks.ts";

const [store = "", queue = ""] = process.argv.slice(2);

channel("etask:worker:started").subscribe((event) => {
  const { worker } = event as { worker: string };
  process.send?.({ worker });
});
channel("etask:loop:failed").subscribe((event) => {
  const { loop, error } = event as { loop: string; error: unknown };
  console.error(`${loop}: ${error}`);
});
process.once("disconnect", () => process.kill(process.pid, "SIGKILL"));

await using app = await createApp({ store, tasks: fleetTasks });
await using worker = app.createWorker({
  queues: [queue],
  concurrency: 4,
  // Short, so that the demo need not wait long for the rescue of what a killed worker left.
  leaseTtl: "3s",
});
await worker.run();

/** A worker process of the demo. SIGTERM stops it; so does the end of the process that began it. */
import { channel } from "node:diagnostics_channel";
import { createApp, type Events } from "etask";
import { fleetTasks } from "./tasks.ts";

/** The queue of this run; the store is named by ETASK_STORE, the fleet's folder by FLEET_DIR. */
const queue = process.env.FLEET_RUN ?? "fleet";

channel("etask:worker:started").subscribe((event) => {
  const { worker } = event as Events["etask:worker:started"];
  process.send?.({ worker });
});
channel("etask:beat:elected").subscribe(() => process.send?.({ leads: true }));
channel("etask:loop:failed").subscribe((event) => {
  const { loop, error } = event as Events["etask:loop:failed"];
  console.error(`${loop}: ${error}`);
});
process.once("disconnect", () => process.exit(1));
process.channel?.unref();

await using app = await createApp({
  tasks: fleetTasks,
  // Short, as below: the Beat that leads is in the worker that is killed.
  beat: { leaseTtl: "2s" },
});
await using worker = app.createWorker({
  queues: [queue],
  concurrency: 4,
  // Short, so that the demo need not wait long for the rescue of what a killed worker left.
  leaseTtl: "3s",
});
await worker.run();

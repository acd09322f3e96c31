/** A worker process. SIGTERM stops it; so does the end of the process that began it. */
import { createApp } from "etask";
import { tell } from "./processes.ts";
import { agentTasks } from "./tasks.ts";

process.once("disconnect", () => process.exit(1));

await using app = await createApp({ tasks: agentTasks, beat: { leaseTtl: "2s" } });
await using worker = app.createWorker({ concurrency: 4, leaseTtl: "5s" });
await worker.start();
tell({ ready: true });
process.channel?.unref();
await worker.run();

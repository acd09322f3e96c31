/** A worker process of bench/beat.ts that may lead the Beat, and says when it does. */
import { channel } from "node:diagnostics_channel";
import { createApp } from "etask";
import { late } from "./tasks.ts";

const [url = "", queue = "", ttlMs = "5000"] = process.argv.slice(2);
channel("etask:beat:elected").subscribe(() => process.send?.("elected"));
channel("etask:worker:started").subscribe(() => process.send?.("started"));
process.once("disconnect", () => process.exit(1));
process.channel?.unref();

await using app = await createApp({
  store: url,
  tasks: [late],
  beat: { leaseTtl: Number(ttlMs) },
});
await app.createWorker({ queues: [queue], concurrency: 50, leaseTtl: Number(ttlMs) }).run();

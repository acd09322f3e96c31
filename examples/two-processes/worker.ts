/**
 * Runs tasks until it is stopped. Start as many of these as you like; see producer.ts.
 *
 *   node --import tsx examples/two-processes/worker.ts
 */
import { createApp } from "etask";
import { countWords } from "./tasks.ts";

await using app = await createApp({ tasks: [countWords] });
await using worker = app.createWorker({ concurrency: 10 });
await worker.start();
console.log(`worker ${worker.id} takes tasks; Ctrl-C stops it`);
await worker.run();

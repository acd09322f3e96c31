/**
 * Tasks that would stop or kill their worker, each in a thread or a process of its own: an endless
 * loop, one that eats memory, one that exits, one that crashes. The worker outlives them all.
 *
 *   node --import tsx examples/isolation.ts
 *
 * The tasks are in a module of their own, because that is what the threads and processes load.
 */
import { createApp } from "etask";
import { countPrimes, runPlugin } from "./isolation/tasks.ts";

await using app = await createApp({ tasks: [countPrimes, runPlugin] });
await using worker = app.createWorker({ concurrency: 4 });
// Loads each task in a thread or process once, and throws if one cannot be.
await worker.start();

const primes = await countPrimes.delay({ below: 1_000_000 });
for (const plugin of ["endless", "greedy", "rude", "broken", "friendly"]) {
  const task = await runPlugin.delay({ plugin });
  const end = await task.settle({ timeout: "1m" });
  const how = end.state === "failed" ? `${end.error.code}: ${end.error.message}` : end.state;
  console.log(`${plugin}: ${how}`);
}
console.log(
  `${await primes.result({ timeout: "1m" })} primes, and worker ${worker.id} still works`,
);

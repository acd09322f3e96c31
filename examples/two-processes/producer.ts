/**
 * Hands a task over and waits for its result, which comes from a worker process: start worker.ts in
 * another terminal, before or after this. Both use ./.etask, or the store that ETASK_STORE names.
 *
 *   node --import tsx examples/two-processes/producer.ts some words to count
 */
import { createApp } from "etask";
import { countWords } from "./tasks.ts";

await using _app = await createApp({ tasks: [countWords] });
const task = await countWords.delay({ text: process.argv.slice(2).join(" ") });
console.log(`handed over as ${task.id}`);
const { words } = await task.result({ timeout: "5m" });
console.log(`${words} words`);

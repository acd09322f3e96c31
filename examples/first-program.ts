/**
 * The first program: one file, no server. Tasks and results are kept in ./.etask.
 *
 *   node --import tsx examples/first-program.ts
 */
import { createApp, defineTask } from "etask";

const greet = defineTask({
  name: "greet",
  run: ({ name }: { name: string }) => `Hello, ${name}!`,
});

await using app = await createApp({ tasks: [greet] });
await using worker = app.createWorker();
await worker.start();

const task = await greet.delay({ name: "world" });
console.log(`handed over as ${task.id}`);
console.log(await task.result({ timeout: "30s" }));

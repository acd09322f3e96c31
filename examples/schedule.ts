/**
 * A task for later, and one again and again: both are made ready by the Beat, which is in whichever
 * worker process was elected.
 *
 *   node --import tsx examples/schedule.ts
 */
import { createApp, defineTask } from "etask";

const NAME = "every-second";

const report = defineTask({
  name: "report.make",
  run: ({ what }: { what: string }, { id }) => `${what} (${id})`,
});

await using app = await createApp({ tasks: [report] });
await using worker = app.createWorker();
await worker.start();

const later = await report.delay({ what: "later" }, { in: "1s" });
await app.schedules.upsert(NAME, {
  task: "report.make",
  input: { what: "rhythm" },
  cron: "* * * * * *",
  timeZone: "Europe/Berlin",
});
console.log("next runs:", await app.schedules.preview(NAME, 3));

let ticks = 0;
for await (const { task, kind } of app.backend.watch({
  prefix: `${NAME}@`,
  after: later.revision,
})) {
  if (kind !== "state" || task?.state !== "succeeded") continue;
  console.log(task.result);
  ticks += 1;
  if (ticks === 3) break;
}
await app.schedules.remove(NAME);
console.log(await later.result({ timeout: "1m" }));
console.log(`${ticks} ticks, each once`);

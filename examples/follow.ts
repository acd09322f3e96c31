/**
 * Keeping a picture of tasks up to date: list them, then follow every change after the list. There
 * is no gap between the two, because a list says which revision it shows.
 *
 *   node --import tsx examples/follow.ts
 */
import { createApp, defineTask, type TaskState } from "etask";

const copyFile = defineTask({
  name: "file.copy",
  idPrefix: "copy/",
  async run({ parts }: { parts: number }, ctx) {
    for (let part = 1; part <= parts; part += 1) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      ctx.progress((100 * part) / parts);
    }
  },
});

await using app = await createApp({ tasks: [copyFile] });
await using worker = app.createWorker();
await worker.start();

const mine = await copyFile.delayMany([{ parts: 4 }, { parts: 2 }, { parts: 3 }]);
const open = new Set(mine.map(({ id }) => id));

const states = new Map<string, TaskState>();
const first = await app.backend.list({ prefix: "copy/", limit: 1_000 });
for (const { id, state } of first.tasks) states.set(id, state);
console.log(`at revision ${first.revision} there are ${states.size} tasks`);

for (const [id, state] of states) if (state === "succeeded") open.delete(id);
if (open.size > 0) {
  for await (const change of app.backend.watch({ prefix: "copy/", after: first.revision })) {
    const { id, revision, kind, task } = change;
    console.log(
      `${revision} ${id.slice(-6)} ${kind} ${task?.state} ${task?.progress?.percent ?? 0}%`,
    );
    if (task) states.set(id, task.state);
    else states.delete(id);
    if (task?.state === "succeeded") open.delete(id);
    if (open.size === 0) break;
  }
}
console.log(`all ${mine.length} files are copied`);

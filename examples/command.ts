/**
 * Tasks that run programs: with arguments from the input, their progress and their log; one that
 * does not end by itself is cancelled, and its children end with it.
 *
 *   node --import tsx examples/command.ts
 */
import { createApp } from "etask";
import { commandTask } from "etask/tasks/command";

/** The program of this example is Node itself; any other would do. */
const checkDisk = commandTask({
  name: "disk.check",
  command: ({ disk, sectors }: { disk: string; sectors: number }) => ({
    program: process.execPath,
    args: [
      "-e",
      `const [disk, sectors] = process.argv.slice(1);
       for (let n = 1; n <= sectors; n += 1) console.log(disk + ": " + (100 * n) / sectors + "%");
       console.log(JSON.stringify({ disk, bad: 0 }));`,
      "--",
      disk,
      `${sectors}`,
    ],
  }),
  progress: /: (\d+)%/,
  result: ({ stdout }) => JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as { bad: number },
  timeout: "1m",
});

const forever = commandTask({
  name: "forever",
  command: ["sh", "-c", "echo works; sleep 1000 & wait"],
  killGrace: "1s",
});

await using app = await createApp({ tasks: [checkDisk, forever] });
await using worker = app.createWorker();
await worker.start();

// No shell reads it, so it is a name like any other.
const check = await checkDisk.delay({ disk: "sda; rm -rf $HOME", sectors: 4 });
const { bad } = await check.result({ timeout: "30s" });
for (const { text } of (await check.log()).lines) console.log(text);
console.log(`${bad} bad sectors, progress ${(await check.state()).progress?.percent}%`);

const endless = await forever.delay({});
for await (const { state } of endless.watch()) if (state === "running") break;
await endless.cancel({ reason: "enough" });
console.log(`forever: ${(await endless.settle({ timeout: "30s" })).state}`);

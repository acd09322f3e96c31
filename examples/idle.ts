/**
 * Work for when there is nothing better to do. A scrub reads a disk block by block, only on a host
 * that has room, and never before anything else. When the host is wanted for something else it
 * stops, and goes on later from where it was.
 *
 *   node --import tsx examples/idle.ts
 */
import { setTimeout as sleep } from "node:timers/promises";
import { createApp, defineTask } from "etask";

const BLOCKS = 12;
/** How far each disk is; a real scrub would keep it on the disk. */
const scrubbed = new Map<string, number>();
let backupRuns = false;

const scrub = defineTask({
  name: "disk.scrub",
  when: "idle",
  // While it runs it is given back when its host becomes busy; `signal` says so.
  preempt: true,
  run: async (disk: string, { signal, progress }) => {
    for (let block = scrubbed.get(disk) ?? 0; block < BLOCKS; block += 1) {
      await sleep(250, undefined, { signal });
      scrubbed.set(disk, block + 1);
      await progress((100 * (block + 1)) / BLOCKS);
    }
    console.log(`${disk} is scrubbed`);
  },
});

const check = defineTask({
  name: "disk.check",
  run: (disk: string) => console.log(`${disk} is checked, before any scrub`),
});

await using app = await createApp({ tasks: [scrub, check] });
// A worker looks at CPU, memory and event loop by itself; this one is for a machine that also does
// something else, which its probe knows of. The limits are wide, so that the example runs anywhere.
const worker = app.createWorker({
  concurrency: 3,
  idle: { cpu: 1, memoryFree: 0, eventLoopDelay: "1m", probe: () => !backupRuns },
});

const scrubs = await scrub.delayMany(["sda", "sdb", "sdc"]);
const checked = await check.delay("sda", { priority: 0 });
await worker.start();
await checked.result();

const [first] = scrubs;
for await (const { state, progress } of first?.watch() ?? []) {
  if (state !== "running" || progress === undefined) continue;
  console.log(`a backup begins, sda is at ${Math.round(progress.percent)} %`);
  backupRuns = true;
  break;
}
for await (const { state, attempt } of first?.watch() ?? []) {
  if (state !== "pending") continue;
  const [shown] = await app.broker.workers();
  console.log(`sda waits again, with ${attempt} attempts counted: ${shown?.room?.why.join()}`);
  break;
}
console.log("the backup has ended");
backupRuns = false;

await Promise.all(scrubs.map((each) => each.result()));
const states = await Promise.all(scrubs.map((each) => each.state()));
console.log(`all is scrubbed, in ${states.map(({ attempt }) => attempt).join(", ")} attempts`);

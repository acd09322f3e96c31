/** Hands the work over, and says under which ids. The run's name begins all of them. */
import { createApp } from "etask";
import { tell } from "./processes.ts";
import { agentTasks, formatDisk, formatScratch } from "./tasks.ts";

const run = process.env.AGENTS_RUN ?? "";

await using _app = await createApp({ tasks: agentTasks, beat: false });
for (const disk of ["node-1/sda", "node-1/sdb", "node-2/sda", "node-3/sda"]) {
  const [node = "", device = ""] = disk.split("/");
  await formatDisk.delay({ node, device }, { id: `${run}/${disk}` });
}
await formatScratch.delay({ device: "sdz" }, { id: `${run}/scratch` });
tell({ ready: true });
process.disconnect?.();

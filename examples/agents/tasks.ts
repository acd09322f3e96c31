import { rpcTask } from "etask/tasks/rpc";
import { z } from "zod";

/** What a formatted disk is like, as the agent that did it says. */
const formatted = z.object({ node: z.string(), pid: z.number(), blocks: z.number() });

const retry = { attempts: 10, backoff: "constant", delay: "300ms" } as const;

/** Formats a disk on the node that the input names. */
export const formatDisk = rpcTask({
  name: "disk.format",
  input: z.object({ node: z.string(), device: z.string() }),
  output: formatted,
  progress: z.object({ block: z.number() }),
  agent: ({ node }) => node,
  method: "disk.format",
  retry,
});

/** Formats a scratch disk on any node that has one. */
export const formatScratch = rpcTask({
  name: "scratch.format",
  input: z.object({ device: z.string() }),
  output: formatted,
  agent: { labels: { scratch: "yes" } },
  method: "disk.format",
  retry,
});

/** All of them, for apps. */
export const agentTasks = [formatDisk, formatScratch];

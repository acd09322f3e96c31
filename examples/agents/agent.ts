/**
 * An agent process, as it would run on each node. It is told its name and address by the run, and
 * when to begin; SIGTERM stops it in good order, and so does the end of the process that began it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { method, serveAgent } from "etask/tasks/rpc";
import { z } from "zod";
import { type AgentBegin, LEASE_MS, tell } from "./processes.ts";

const BLOCKS = 40;
const BLOCK_MS = 75;

process.once("disconnect", () => process.exit(1));
process.once("message", async (message) => {
  const { name, address, labels } = message as AgentBegin;
  const agent = await serveAgent({
    store: process.env.ETASK_STORE ?? "",
    name,
    address,
    labels,
    leaseTtl: LEASE_MS,
    methods: {
      "disk.format": method({
        input: z.object({ device: z.string() }),
        run: async ({ device }, call) => {
          const disk = `${name}/${device}`;
          tell({ begun: disk, fence: call.fence });
          call.log(`${disk}: attempt ${call.attempt} begins`);
          try {
            for (let block = 1; block <= BLOCKS; block += 1) {
              // A real one would write here; it stops between blocks when it is told to.
              await sleep(BLOCK_MS, undefined, { signal: call.signal });
              call.progress((100 * block) / BLOCKS, { block });
            }
            call.log(`${disk}: ${BLOCKS} blocks written`);
            return { node: name, pid: process.pid, blocks: BLOCKS };
          } finally {
            const { reason } = call.signal.aborted ? call.signal.reason : { reason: undefined };
            tell({ ended: disk, reason });
          }
        },
      }),
    },
  });
  tell({ serving: agent.address });
  await agent.run();
  process.disconnect();
});
tell({ ready: true });

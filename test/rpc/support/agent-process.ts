/** The program of an agent process: tells its parent what happens, and stops when told to. */
import { channel } from "node:diagnostics_channel";
import { aborted } from "../../../src/base/aborted.ts";
import { type AgentCall, serveAgent } from "../../../src/tasks/rpc/index.ts";

const [store = "", name = "", options = "{}"] = process.argv.slice(2);
const tell = (event: string, facts: object = {}) => process.send?.({ event, ...facts });
for (const event of ["registered", "lease-lost", "stopped"]) {
  channel(`etask:agent:${event}`).subscribe((facts) => tell(event, facts as object));
}

const agent = await serveAgent({
  store,
  name,
  leaseTtl: 2_000,
  methods: {
    /** Goes on until it is told to stop, or for good when it is deaf. */
    hold: async (input: { deaf?: boolean } | undefined, call: AgentCall) => {
      tell("called", { task: call.task, attempt: call.attempt });
      call.progress(10);
      await (input?.deaf ? new Promise(() => {}) : aborted(call.signal));
      tell("aborted", { task: call.task, reason: call.signal.reason.reason });
      throw call.signal.reason;
    },
    /** Ends when its parent says so. */
    wait: async (_input: unknown, call: AgentCall) => {
      tell("called", { task: call.task, attempt: call.attempt });
      await new Promise<void>((resolve) => process.once("message", () => resolve()));
      return { pid: process.pid };
    },
    whoami: () => ({ pid: process.pid }),
  },
  ...JSON.parse(options),
});
await agent.run();
process.disconnect?.();

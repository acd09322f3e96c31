/** An agent process of bench/agents.ts: says when it serves, and when it is called to hold. */
import { serveAgent } from "etask/tasks/rpc";

const [store = "", name = "", ttlMs = "5000"] = process.argv.slice(2);
process.once("disconnect", () => process.exit(1));

await using agent = await serveAgent({
  store,
  name,
  leaseTtl: Number(ttlMs),
  methods: {
    echo: (input) => input,
    hold: (_input, { signal }) => {
      process.send?.("called");
      return new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    },
  },
});
process.send?.("serves");
process.channel?.unref();
await agent.run();

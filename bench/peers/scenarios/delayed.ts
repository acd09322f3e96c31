import { SLACK_MS } from "../stage.ts";
import { makeBacklog } from "./backlog.ts";
import { BYTES, OVERHEAD_MS, type Scenario } from "./scenario.ts";

/** Long after the benchmark is over. */
const DELAY_MS = 6 * 3_600_000;

/** What it costs that many tasks wait for their time. */
export const delayed: Scenario = {
  name: "delayed",
  about:
    "Tasks that are due in six hours are enqueued in bulk (filling); then, with these in the " +
    "store, a backlog of tasks that are due is worked off.",
  variants: ({ delayed: size, drain }) => [
    {
      key: "delayed",
      title: `Process, with ${size.count.toLocaleString("en-US")} delayed tasks waiting`,
      withinMs: size.fillMs + drain.fillMs + drain.forMs + OVERHEAD_MS,
      run: async (stage) => {
        const producer = await stage.producer();
        const queue = await stage.queue("delayed");
        const { count, fillMs: forMs } = size;
        const load = { queue, count, forMs, bytes: BYTES, delayMs: DELAY_MS };
        const sent = await producer.ask("bulk", load, forMs + SLACK_MS);
        if (sent.count < count) {
          throw new Error(`Only ${sent.count} tasks were enqueued within ${forMs} ms.`);
        }
        const ready = await makeBacklog(stage, "delayed", drain);
        const { replies: _, ...figures } = await stage.drain({
          queue,
          count: ready.count,
          forMs: drain.forMs,
        });
        return { ...figures, fill: (sent.count * 1_000) / sent.ms };
      },
    },
  ],
};

import { SLACK_MS } from "../stage.ts";
import { BYTES, OVERHEAD_MS, type Scenario } from "./scenario.ts";

const EVERY_MS = 250;

/** Tasks that tell how far they are. */
export const progress: Scenario = {
  name: "progress",
  about:
    "One worker process runs that many tasks at once; each reports its progress four times a " +
    "second. Updates as made by the handlers, costs for each task.",
  variants: ({ progress: { tasks, forMs } }) => [
    {
      key: "progress",
      title: `${tasks.toLocaleString("en-US")} running tasks, progress 4 times a second`,
      withinMs: 2 * forMs + OVERHEAD_MS,
      run: async (stage) => {
        const producer = await stage.producer();
        const queue = await stage.queue("progress");
        const job = { progress: { forMs, everyMs: EVERY_MS } };
        const load = { queue, count: tasks, bytes: BYTES, forMs: SLACK_MS, ...job };
        await producer.ask("bulk", load, 2 * SLACK_MS);
        const {
          replies,
          rate: _,
          ...costs
        } = await stage.drain({
          queue,
          count: tasks,
          concurrency: tasks,
          forMs: forMs + SLACK_MS,
        });
        const [reply] = replies;
        if (reply === undefined) throw new Error("The worker said nothing.");
        const updates = (reply.updates * 1_000) / (reply.lastAt - reply.firstAt);
        return { updates, ...costs };
      },
    },
  ],
};

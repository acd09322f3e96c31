import { SLACK_MS } from "../stage.ts";
import { BYTES, OVERHEAD_MS, type Scenario } from "./scenario.ts";

/** Enqueueing many tasks a call. */
export const bulk: Scenario = {
  name: "bulk",
  about:
    "One producer process, bulk calls of 1,000 tasks, four at once; single calls one after the " +
    "other where there is no bulk call (Celery).",
  variants: ({ bulk: size }) => [
    {
      key: "bulk",
      title: "Enqueue, bulk",
      withinMs: size.forMs + OVERHEAD_MS,
      run: async (stage) => {
        await stage.warmUp(BYTES);
        const producer = await stage.producer();
        const queue = await stage.queue("bulk");
        let rate = 0;
        const costs = await stage.measure([producer], async () => {
          const load = { queue, bytes: BYTES, ...size };
          const { count, ms } = await producer.ask("bulk", load, size.forMs + SLACK_MS);
          rate = (count * 1_000) / ms;
          return count;
        });
        return { rate, ...costs };
      },
    },
  ],
};

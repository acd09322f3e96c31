import { SLACK_MS } from "../stage.ts";
import { BYTES, OVERHEAD_MS, type Scenario } from "./scenario.ts";

/** Callers at once. */
export const IN_FLIGHT = 1_000;

/** Concurrent single enqueues. */
export const singles: Scenario = {
  name: "singles",
  about: "One producer process, 1,000 callers that each enqueue one task after another.",
  variants: ({ enqueue }) => [
    {
      key: "singles",
      title: "Enqueue, concurrent single calls",
      withinMs: enqueue.forMs + OVERHEAD_MS,
      run: async (stage) => {
        await stage.warmUp(BYTES);
        const producer = await stage.producer();
        const queue = await stage.queue("singles");
        let rate = 0;
        const costs = await stage.measure([producer], async () => {
          const load = { queue, bytes: BYTES, inFlight: IN_FLIGHT, ...enqueue };
          const { count, ms } = await producer.ask("enqueue", load, enqueue.forMs + SLACK_MS);
          rate = (count * 1_000) / ms;
          return count;
        });
        stage.rates.singles = rate;
        return { rate, ...costs };
      },
    },
  ],
};

import { SLACK_MS } from "../stage.ts";
import { BYTES, OVERHEAD_MS, type Scenario, type Variant } from "./scenario.ts";

const KIB = 1024;

/** Callers at once: fewer than for small tasks, so that what waits fits into memory. */
const IN_FLIGHT = 100;

/** What larger inputs cost. */
export const payload: Scenario = {
  name: "payload",
  about: "Single calls, 100 at once, of tasks with large inputs; then one worker process.",
  variants: ({ payloads, enqueue, drain }) =>
    payloads.flatMap(({ kib, count }): readonly Variant[] => {
      const { forMs } = enqueue;
      const bytes = kib * KIB;
      const name = `payload${kib}`;
      return [
        {
          key: `payload-${kib}k-enqueue`,
          title: `Enqueue, ${kib} KiB`,
          withinMs: forMs + OVERHEAD_MS,
          run: async (stage) => {
            await stage.warmUp(BYTES);
            const producer = await stage.producer();
            const queue = await stage.queue(`${name}e`);
            let rate = 0;
            const costs = await stage.measure([producer], async () => {
              const load = { queue, bytes, count, forMs, inFlight: IN_FLIGHT };
              const sent = await producer.ask("enqueue", load, forMs + SLACK_MS);
              rate = (sent.count * 1_000) / sent.ms;
              return sent.count;
            });
            return { rate, ...costs };
          },
        },
        {
          key: `payload-${kib}k-process`,
          title: `Process, ${kib} KiB`,
          withinMs: forMs + drain.forMs + OVERHEAD_MS,
          run: async (stage) => {
            const producer = await stage.producer();
            const queue = await stage.queue(`${name}p`);
            const load = { queue, bytes, count, forMs, inFlight: IN_FLIGHT };
            const sent = await producer.ask("enqueue", load, forMs + SLACK_MS);
            const work = { queue, count: sent.count, forMs: drain.forMs };
            const { replies: _, ...figures } = await stage.drain(work);
            return figures;
          },
        },
      ];
    }),
};

import { latencyFigures } from "../figures.ts";
import { SLACK_MS } from "../stage.ts";
import { BYTES, OVERHEAD_MS, type Scenario } from "./scenario.ts";

/** Callers that wait for what they enqueued. */
export const awaiting: Scenario = {
  name: "awaiting",
  about:
    "In one process that many callers each enqueue a task, wait for its result, and begin again; " +
    "one worker process.",
  variants: ({ awaiting: { callers, forMs } }) => [
    {
      key: "awaiting",
      title: `${callers} callers that await results`,
      withinMs: forMs + OVERHEAD_MS,
      run: async (stage) => {
        const [producer, workers] = await Promise.all([stage.producer(), stage.workers()]);
        const queue = await stage.queue("awaiting");
        const { concurrency } = stage.contender;
        const work = { queue, concurrency };
        await Promise.all(workers.map((worker) => worker.ask("work", work, SLACK_MS)));
        let rate = 0;
        let latency = {};
        const programs = [...new Set([producer, ...workers])];
        const costs = await stage.measure(programs, async () => {
          const load = { queue, callers, forMs, bytes: BYTES };
          const { calls, ms, results } = await producer.ask("await", load, forMs + SLACK_MS);
          rate = (calls * 1_000) / ms;
          latency = latencyFigures(undefined, results);
          return calls;
        });
        await stage.stop(workers);
        return { rate, ...latency, ...costs };
      },
    },
  ],
};

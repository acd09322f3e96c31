import { makeBacklog } from "./backlog.ts";
import { OVERHEAD_MS, type Scenario } from "./scenario.ts";

/** Whether more worker processes help, or get in each other's way. */
export const workers: Scenario = {
  name: "workers",
  about:
    "Worker processes on one backlog, each with the contender's concurrency. The machine has the " +
    "cores it has: what is shown is that nothing is lost.",
  variants: ({ workers: counts, drain }) =>
    counts.map((count) => ({
      key: `workers-${count}`,
      title: `Process, ${count} worker ${count === 1 ? "process" : "processes"}`,
      withinMs: drain.fillMs + drain.forMs + OVERHEAD_MS,
      run: async (stage) => {
        const made = await makeBacklog(stage, "workers", drain, count);
        const { replies: _, ...figures } = await stage.drain({
          queue: made.queue,
          count: made.count,
          workers: count,
          forMs: drain.forMs,
        });
        return figures;
      },
    })),
};

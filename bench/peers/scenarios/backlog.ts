import type { Stage } from "../stage.ts";
import { SLACK_MS } from "../stage.ts";
import { BYTES, OVERHEAD_MS, type Scenario } from "./scenario.ts";

/** A backlog that was made, and how fast. */
export interface Backlog {
  readonly queue: string;
  readonly count: number;
  readonly fill: number;
}

/**
 * Enqueues `count` tasks in bulk, or as many as the time allows. The workers that are to come start
 * meanwhile.
 */
export async function makeBacklog(
  stage: Stage,
  name: string,
  { count, fillMs: forMs }: { readonly count: number; readonly fillMs: number },
  workers?: number,
): Promise<Backlog> {
  const [producer] = await Promise.all([stage.producer(), stage.workers(workers)]);
  const queue = await stage.queue(name);
  const sent = await producer.ask("bulk", { queue, count, bytes: BYTES, forMs }, forMs + SLACK_MS);
  return { queue, count: sent.count, fill: (sent.count * 1_000) / sent.ms };
}

/** How long making a backlog may take. */
const FILL_MS_MAX = 180_000;

/** Whether the rate holds when there is more to do. */
export const backlog: Scenario = {
  name: "backlog",
  about: "One worker process on backlogs of different sizes, for the same time each.",
  variants: ({ backlogs, drain }) =>
    backlogs.map((count) => ({
      key: `backlog-${count}`,
      title: `Process, backlog of ${count.toLocaleString("en-US")}`,
      withinMs: FILL_MS_MAX + drain.forMs + OVERHEAD_MS,
      run: async (stage) => {
        const made = await makeBacklog(stage, "backlog", { count, fillMs: FILL_MS_MAX });
        if (made.count < count) {
          throw new Error(`Only ${made.count} tasks were enqueued within ${FILL_MS_MAX} ms.`);
        }
        const { replies: _, ...figures } = await stage.drain({
          queue: made.queue,
          count,
          forMs: drain.forMs,
        });
        return { ...figures, fill: made.fill };
      },
    })),
};

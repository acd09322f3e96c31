import type { Sizes } from "../sizes.ts";
import { makeBacklog } from "./backlog.ts";
import { OVERHEAD_MS, type Scenario, type Variant } from "./scenario.ts";

const USUAL = "100 (Celery 2; raw: as many as fill its transactions)";

/** Working off a backlog with a handler that does nothing. */
export const drain: Scenario = {
  name: "drain",
  about:
    "One worker process works off a backlog with an empty handler, from the start of its first " +
    "task to the end of its last.",
  variants: (sizes) => [
    variant(sizes, undefined),
    ...sizes.concurrencies.map((concurrency) => variant(sizes, concurrency)),
  ],
};

function variant({ drain: size }: Sizes, concurrency: number | undefined): Variant {
  const key = concurrency === undefined ? "drain" : `drain-${concurrency}`;
  return {
    key,
    title: `Process, one worker, ${concurrency ?? USUAL} at once`,
    withinMs: size.fillMs + size.forMs + OVERHEAD_MS,
    run: async (stage) => {
      const { queue, count } = await makeBacklog(stage, key, size);
      const { forMs } = size;
      const work = { queue, count, forMs };
      const own = concurrency === undefined;
      const { replies: _, ...figures } = await stage.drain(own ? work : { ...work, concurrency });
      if (own && figures.rate !== undefined) stage.rates.drain = figures.rate;
      return figures;
    },
  };
}

import { type Figures, latencyFigures } from "../figures.ts";
import type { Stage } from "../stage.ts";
import { SLACK_MS } from "../stage.ts";
import { makeBacklog } from "./backlog.ts";
import { BYTES, OVERHEAD_MS, type Scenario } from "./scenario.ts";
import { IN_FLIGHT } from "./singles.ts";

/** The load of "light", in tasks a second: little for everyone. */
const LIGHT = 200;

/** The share of its capacity that a contender is loaded with in "steady". */
const SHARE = 0.5;

/** Latency where everyone has the same, small load. */
export const light: Scenario = {
  name: "light",
  about:
    `${LIGHT} tasks a second, whoever takes part. Start: from the call that enqueues to the ` +
    "first line of the handler. Result: until the producer has it. Of the raw limits: one " +
    "guarded put.",
  variants: ({ flow }) => [
    {
      key: "light",
      title: `Latency, ${LIGHT} tasks a second`,
      withinMs: flow.forMs + OVERHEAD_MS,
      run: (stage) => runFlow(stage, "light", LIGHT),
    },
  ],
};

/** Latency where everyone is half busy. */
export const steady: Scenario = {
  name: "steady",
  about:
    "Half of what the contender can carry on this machine, enqueueing and working at once: " +
    "of the rates s and d of singles and drain, that is half of 1 / (1/s + 1/d).",
  variants: ({ flow }) => [
    {
      key: "steady",
      title: "Latency, half of its own capacity",
      withinMs: flow.forMs + 2 * OVERHEAD_MS,
      run: async (stage) => runFlow(stage, "steady", SHARE * (await capacityOf(stage))),
    },
  ],
};

/** Who enqueued less of what was due did not keep up, and the results say so. */
const KEPT_UP = 0.99;

async function runFlow(stage: Stage, name: string, rate: number): Promise<Figures> {
  const { forMs, warmMs } = stage.sizes.flow;
  if (!stage.contender.raw) await Promise.all([stage.producer(), stage.workers()]);
  const producer = await stage.producer();
  const queue = await stage.queue(name);
  const load = { queue, rate, forMs, warmMs, bytes: BYTES };
  if (stage.contender.raw) {
    await stage.warmUp(BYTES);
    const { results } = await producer.ask("flow", load, forMs + SLACK_MS);
    return latencyFigures(undefined, results);
  }
  const workers = await stage.workers();
  const { concurrency } = stage.contender;
  await Promise.all(workers.map((worker) => worker.ask("work", { queue, concurrency }, SLACK_MS)));
  let starts: Figures = {};
  let flown: Figures = {};
  const costs = await stage.measure([...new Set([producer, ...workers])], async () => {
    const { sent, skipped, results } = await producer.ask("flow", load, forMs + SLACK_MS);
    const kept = sent / (sent + skipped);
    const fellBehind = kept < KEPT_UP;
    const replies = await stage.stop(workers);
    starts = latencyFigures(replies[0]?.starts, undefined);
    flown = {
      ...(rate !== LIGHT && { load: rate }),
      ...(fellBehind && { kept }),
      ...latencyFigures(undefined, results),
    };
    return sent;
  });
  return { ...flown, ...starts, ...costs };
}

/** What a contender carries when it enqueues and works at once, from what it does of each alone. */
async function capacityOf(stage: Stage): Promise<number> {
  const { rates, sizes } = stage;
  if (rates.singles === undefined) {
    const producer = await stage.producer();
    const queue = await stage.queue("capacity1");
    const load = { queue, bytes: BYTES, inFlight: IN_FLIGHT, ...sizes.enqueue };
    const { count, ms } = await producer.ask("enqueue", load, sizes.enqueue.forMs + SLACK_MS);
    rates.singles = (count * 1_000) / ms;
  }
  if (rates.drain === undefined) {
    const { queue, count } = await makeBacklog(stage, "capacity2", sizes.drain);
    const { rate = 0 } = await stage.drain({ queue, count, forMs: sizes.drain.forMs });
    rates.drain = rate;
  }
  return 1 / (1 / rates.singles + 1 / rates.drain);
}

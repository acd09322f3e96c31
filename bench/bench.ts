/**
 * `npm run bench [-- --store URL --tasks N --rounds N]`: how fast etask is on a store, by a
 * producer process (this one) and one worker process.
 *
 * A round enqueues tasks one call each, a thousand calls at once; then as many by `delayMany`; then
 * starts a worker with concurrency 200 that drains them; then measures latency on the idle queue.
 * Every round uses a queue of its own. Figures are the median of the rounds with minimum and
 * maximum.
 */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createApp } from "etask";
import { empty, input, stamp } from "./tasks.ts";

const IN_FLIGHT = 1_000;
const SAMPLES = 300;
const SAMPLE_EVERY_MS = 5;

const { values } = parseArgs({
  options: {
    store: { type: "string" },
    tasks: { type: "string", default: "20000" },
    rounds: { type: "string", default: "3" },
  },
});
const tasks = Number(values.tasks);
const rounds = Number(values.rounds);
const directory = await mkdtemp(join(tmpdir(), "etask-bench-"));
const url = values.store ?? `embedded:${directory}/store`;

type Figures = Record<string, number>;

const all: Figures[] = [];
try {
  await using _app = await createApp({ store: url, tasks: [empty, stamp] });
  for (let round = 0; round < rounds; round += 1) all.push(await runRound(round));
} finally {
  await rm(directory, { recursive: true, force: true });
}
console.log(`store ${url.replace(/\/\/[^@/]*@/, "//")}, ${tasks} tasks, ${rounds} rounds`);
for (const name of Object.keys(all[0] ?? {})) {
  const sorted = all.map((figures) => figures[name] ?? Number.NaN).sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const [low, high] = [sorted[0] ?? Number.NaN, sorted.at(-1) ?? Number.NaN];
  console.log(`${name.padEnd(36)} ${shown(median).padStart(10)}  (${shown(low)} – ${shown(high)})`);
}

async function runRound(round: number): Promise<Figures> {
  const queue = `bench-${process.pid}-${round}`;
  const singles = await perSecond(tasks, () => enqueueSingles(queue));
  const bulk = await perSecond(tasks, () =>
    empty.delayMany(
      Array.from({ length: tasks }, () => input),
      { queue },
    ),
  );
  const worker = await startWorker(queue);
  const ms = await worker.finished(2 * tasks);
  const latency = await measureLatency(queue);
  await worker.stop();
  return {
    "enqueue, concurrent singles [1/s]": singles,
    "enqueue, delayMany [1/s]": bulk,
    "process, one worker, 200 at once [1/s]": (2 * tasks * 1000) / ms,
    ...latency,
  };
}

async function perSecond(count: number, action: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await action();
  return (count * 1000) / (performance.now() - startedAt);
}

async function enqueueSingles(queue: string): Promise<void> {
  let left = tasks;
  const lane = async () => {
    while (left > 0) {
      left -= 1;
      await empty.delay(input, { queue });
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
}

async function measureLatency(queue: string): Promise<Figures> {
  const starts: number[] = [];
  const results: number[] = [];
  const sample = async () => {
    const askedAt = performance.timeOrigin + performance.now();
    const task = await stamp.delay(input, { queue });
    const startedAt = Number(await task.result({ timeout: "30s" }));
    starts.push(startedAt - askedAt);
    results.push(performance.timeOrigin + performance.now() - askedAt);
  };
  await sample();
  starts.length = 0;
  results.length = 0;
  const samples: Promise<void>[] = [];
  for (let index = 0; index < SAMPLES; index += 1) {
    samples.push(sample());
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_EVERY_MS));
  }
  await Promise.all(samples);
  return {
    "delay to start, p50 [ms]": percentile(starts, 0.5),
    "delay to start, p99 [ms]": percentile(starts, 0.99),
    "delay to result, p50 [ms]": percentile(results, 0.5),
    "delay to result, p99 [ms]": percentile(results, 0.99),
  };
}

async function startWorker(queue: string) {
  const child: ChildProcess = fork(new URL("./worker.ts", import.meta.url), [url, queue], {
    execArgv: ["--import", "tsx"],
  });
  await new Promise<void>((resolve, reject) => {
    child.once("message", () => resolve());
    child.once("exit", (code) => reject(new Error(`The worker ended with code ${code}.`)));
  });
  return {
    finished: (count: number) =>
      new Promise<number>((resolve) => {
        const onMessage = (message: { finished: number; ms: number }) => {
          if (message.finished < count) return;
          child.off("message", onMessage);
          resolve(message.ms);
        };
        child.on("message", onMessage);
      }),
    stop: () =>
      new Promise<void>((resolve) => {
        child.once("exit", () => resolve());
        child.send("stop");
      }),
  };
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function shown(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toFixed(2);
}

/**
 * `npm run bench -- load [--store URL --rate 1000 --minutes 10 --keep-mib 32 --quota-mib 256]`:
 * whether a store stays within bounds under a steady load.
 *
 * This process enqueues tasks at the rate given, a worker process finishes them and leads the Beat.
 * The queue keeps so many MiB of ended tasks. Without `--store`, an etcd with the quota given is
 * started and removed at the end. Every 10 s it prints what was enqueued and finished and how large
 * the store is; at the end, whether its size is bounded: nothing was refused, and in the second
 * half of the time the store was hardly larger than before. The exit code is 1 if not.
 */
import { type ChildProcess, fork } from "node:child_process";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type App, createApp } from "etask";
import { startEtcd } from "../test/support/etcd-server.ts";
import { empty, input } from "./tasks.ts";

const MIB = 1024 ** 2;
const TICK_MS = 10;
const REPORT_MS = 10_000;
/** More than so many under way means that the store does not keep up with the rate. */
const UNDER_WAY_MAX = 5_000;
/**
 * How much larger the second half may be than the first, by chance and the rhythm of compaction.
 */
const GROWTH_MAX = 1.2;

const { values } = parseArgs({
  options: {
    store: { type: "string" },
    rate: { type: "string", default: "1000" },
    minutes: { type: "string", default: "10" },
    "keep-mib": { type: "string", default: "32" },
    "quota-mib": { type: "string", default: "256" },
    line: { type: "string", default: "3.5" },
  },
});
const rate = Number(values.rate);
const runMs = Number(values.minutes) * 60_000;
const queue = `load-${process.pid}`;

interface Sample {
  readonly atMs: number;
  readonly usedBytes: number;
  readonly fileBytes: number;
}

const counts = { enqueued: 0, finished: 0, refused: new Map<string, number>(), skipped: 0 };
const samples: Sample[] = [];

if (values.store === undefined) {
  const line = values.line === "3.4" ? "3.4" : "3.5";
  await using server = await startEtcd({ line, quotaBytes: Number(values["quota-mib"]) * MIB });
  console.log(`etcd ${server.version} with a quota of ${values["quota-mib"]} MiB`);
  await measure(server.url);
} else {
  await measure(values.store);
}

async function measure(url: string): Promise<void> {
  await using app = await createApp({ store: url, tasks: [empty], beat: false });
  await app.queues.configure(queue, { keep: { bytes: Number(values["keep-mib"]) * MIB } });
  const worker = await startWorker(url);
  const startedAt = performance.now();
  const elapsed = () => performance.now() - startedAt;
  console.log("  time  enqueued  finished  refused   in use     file");
  const report = setInterval(() => void sample(app, url, elapsed()), REPORT_MS);
  await produce(elapsed);
  clearInterval(report);
  await sample(app, url, elapsed());
  worker.send("stop");
  await new Promise((resolve) => worker.once("exit", resolve));
  conclude();
}

async function startWorker(url: string): Promise<ChildProcess> {
  const program = new URL("./worker.ts", import.meta.url);
  const child = fork(program, [url, queue], { execArgv: ["--import", "tsx"] });
  await new Promise<void>((resolve, reject) => {
    child.once("message", () => resolve());
    child.once("exit", (code) => reject(new Error(`The worker ended with code ${code}.`)));
  });
  child.on("message", (message: { readonly finished?: number }) => {
    counts.finished = message.finished ?? counts.finished;
  });
  return child;
}

/** Enqueues at the rate given; what the store does not keep up with is left out and counted. */
async function produce(elapsed: () => number): Promise<void> {
  const underWay = new Set<Promise<unknown>>();
  for (let due = 0; elapsed() < runMs; ) {
    const target = Math.floor((elapsed() * rate) / 1_000);
    for (; due < target; due += 1) {
      if (underWay.size >= UNDER_WAY_MAX) {
        counts.skipped += 1;
        continue;
      }
      const enqueued: Promise<unknown> = enqueue().finally(() => underWay.delete(enqueued));
      underWay.add(enqueued);
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  await Promise.all(underWay);
}

async function enqueue(): Promise<void> {
  try {
    await empty.delay(input, { queue });
    counts.enqueued += 1;
  } catch (error) {
    const code = (error as { readonly code?: string }).code ?? String(error);
    counts.refused.set(code, (counts.refused.get(code) ?? 0) + 1);
  }
}

async function sample(app: App, url: string, atMs: number): Promise<void> {
  const usage = await app.store.upkeep?.usage().catch(() => undefined);
  const file = url.startsWith("embedded:") ? await sizeOf(url.slice("embedded:".length)) : 0;
  const { usedBytes, fileBytes } = usage ?? { usedBytes: file, fileBytes: file };
  samples.push({ atMs, usedBytes, fileBytes });
  const cells = [
    `${(atMs / 1_000).toFixed(0)} s`.padStart(6),
    String(counts.enqueued).padStart(9),
    String(counts.finished).padStart(9),
    String(refused()).padStart(8),
    mib(usedBytes).padStart(9),
    mib(fileBytes).padStart(9),
  ];
  console.log(cells.join(" "));
}

async function sizeOf(directory: string): Promise<number> {
  const names = await readdir(directory);
  const sizes = await Promise.all(
    names.map(async (name) => (await stat(join(directory, name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

function refused(): number {
  return [...counts.refused.values()].reduce((sum, count) => sum + count, 0);
}

function conclude(): void {
  const half = (samples.at(-1)?.atMs ?? 0) / 2;
  const largest = (of: (sample: Sample) => boolean, what: "usedBytes" | "fileBytes") =>
    Math.max(...samples.filter(of).map((sample) => sample[what]));
  const first = ({ atMs }: Sample) => atMs <= half;
  const second = ({ atMs }: Sample) => atMs > half;
  for (const what of ["usedBytes", "fileBytes"] as const) {
    const name = what === "usedBytes" ? "in use" : "file";
    console.log(
      `${name}: at most ${mib(largest(first, what))}, then ${mib(largest(second, what))}`,
    );
  }
  const grew = largest(second, "usedBytes") > GROWTH_MAX * largest(first, "usedBytes");
  for (const [code, count] of counts.refused) console.log(`refused: ${count} with ${code}`);
  if (counts.skipped > 0)
    console.log(`not enqueued, because the store did not keep up: ${counts.skipped}`);
  const bounded = !grew && refused() === 0;
  console.log(bounded ? "The size is bounded." : "The size is NOT shown to be bounded.");
  if (!bounded) process.exitCode = 1;
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)}M`;
}

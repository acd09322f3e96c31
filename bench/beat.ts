/**
 * `npm run bench -- beat [--store URL --kills N --tasks N]`: how soon a dead Beat is replaced, and
 * how late delayed tasks start.
 *
 * Takeover: two worker processes, of which one leads; it is ended with SIGKILL, later SIGTERM, and
 * the time until the other one leads is taken. A new one is started, and so on. Start times: tasks
 * delayed by 1 to 11 s, each handler notes how late it starts by its own clock; this process, the
 * worker and the Beat are on one machine.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createApp } from "etask";
import { late } from "./tasks.ts";

const TTL_MS = 5_000;
const SPREAD_MS = 10_000;

const { values } = parseArgs({
  options: {
    store: { type: "string" },
    kills: { type: "string", default: "20" },
    tasks: { type: "string", default: "1000" },
  },
});
const directory = await mkdtemp(join(tmpdir(), "etask-bench-"));
const url = values.store ?? `embedded:${directory}/store`;
const queue = `beat-${process.pid}`;

try {
  console.log(`store ${url.replace(/\/\/[^@/]*@/, "//")}`);
  await measureTakeover("SIGKILL", Number(values.kills));
  await measureTakeover("SIGTERM", Number(values.kills));
  await measureStarts(Number(values.tasks));
} finally {
  await rm(directory, { recursive: true, force: true });
}

interface Candidate {
  readonly process: ChildProcess;
  readonly elected: Promise<void>;
}

async function startCandidate(): Promise<Candidate> {
  const program = new URL("./beat-worker.ts", import.meta.url);
  const process = fork(program, [url, queue, String(TTL_MS)], { execArgv: ["--import", "tsx"] });
  const said = (what: string) =>
    new Promise<void>((resolve) => {
      process.on("message", (message) => message === what && resolve());
    });
  const elected = said("elected");
  await said("started");
  return { process, elected };
}

async function measureTakeover(signal: "SIGKILL" | "SIGTERM", kills: number): Promise<void> {
  const times: number[] = [];
  let leader = await startCandidate();
  await leader.elected;
  for (let kill = 0; kill < kills; kill += 1) {
    const next = await startCandidate();
    const killedAt = performance.now();
    leader.process.kill(signal);
    await next.elected;
    times.push(performance.now() - killedAt);
    leader = next;
  }
  leader.process.kill("SIGTERM");
  await once(leader.process, "exit");
  times.sort((a, b) => a - b);
  say(`takeover after ${signal}, lease ${TTL_MS} ms, ${kills} times [ms]`, {
    min: times[0],
    median: times[Math.floor(times.length / 2)],
    max: times.at(-1),
  });
}

async function measureStarts(count: number): Promise<void> {
  await using _app = await createApp({ store: url, tasks: [late] });
  const worker = await startCandidate();
  await worker.elected;
  const inputs = Array.from({ length: count }, (_, index) => ({
    dueAt: Date.now() + 1_000 + Math.round((index * SPREAD_MS) / count),
  }));
  const handles = await late.delayMany(inputs, ({ dueAt }) => ({ at: new Date(dueAt), queue }));
  const errors = await Promise.all(handles.map((handle) => handle.result({ timeout: "1m" })));
  worker.process.kill("SIGTERM");
  await once(worker.process, "exit");
  errors.sort((a, b) => a - b);
  say(`start time of ${count} delayed tasks, late by [ms]`, {
    min: errors[0],
    p50: errors[Math.floor(errors.length / 2)],
    p99: errors[Math.floor(errors.length * 0.99)],
    max: errors.at(-1),
  });
}

function say(what: string, figures: Readonly<Record<string, number | undefined>>): void {
  const texts = Object.entries(figures).map(([name, value]) => `${name} ${value?.toFixed(0)}`);
  console.log(`${what}: ${texts.join(", ")}`);
}

/**
 * `npm run bench -- agents [--store URL --kills N --calls N]`: how soon a call at an agent that
 * dies hears of it, and how many calls a worker and an agent pass.
 *
 * Loss: an agent process with a lease of 5 s has a call and is ended with SIGKILL; the time until
 * the call has failed with AGENT_GONE is taken, as the worker of this process sees it. Calls: as
 * many tasks as said, whose method returns at once, by one worker with concurrency 200.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createApp } from "etask";
import { rpcTask } from "etask/tasks/rpc";

const TTL_MS = 5_000;
const CONCURRENCY = 200;

const { values } = parseArgs({
  options: {
    store: { type: "string" },
    kills: { type: "string", default: "10" },
    calls: { type: "string", default: "5000" },
  },
});
const directory = await mkdtemp(join(tmpdir(), "etask-bench-"));
const url = values.store ?? `embedded:${directory}/store`;
const name = `agent-${process.pid}`;

/** When calls failed, by this process's clock, and by which code. */
const failures: { readonly at: number; readonly code: unknown }[] = [];
const hold = rpcTask<void>({ name: "hold", agent: name, method: "hold" }).derive({
  mapError: (error) => {
    failures.push({ at: performance.now(), code: (error as { code?: unknown }).code });
    return error;
  },
});
const echo = rpcTask<number>({ name: "echo", agent: name, method: "echo" });

try {
  console.log(`store ${url.replace(/\/\/[^@/]*@/, "//")}`);
  await using app = await createApp({ store: url, tasks: [hold, echo] });
  await using worker = app.createWorker({ concurrency: CONCURRENCY });
  await worker.start();
  await measureLoss(Number(values.kills));
  await measureCalls(Number(values.calls));
} finally {
  await rm(directory, { recursive: true, force: true });
}

async function startAgent(): Promise<ChildProcess> {
  const program = new URL("./agents-agent.ts", import.meta.url);
  const args = [url, name, String(TTL_MS)];
  const agent = fork(program, args, { execArgv: ["--import", "tsx"] });
  await once(agent, "message");
  return agent;
}

async function measureLoss(kills: number): Promise<void> {
  const times: number[] = [];
  for (let kill = 0; kill < kills; kill += 1) {
    const agent = await startAgent();
    const handle = await hold.delay();
    await once(agent, "message");
    const killedAt = performance.now();
    agent.kill("SIGKILL");
    await handle.settle({ timeout: "1m" });
    const failure = failures.at(-1);
    if (failure?.code !== "AGENT_GONE") throw new Error(`It failed with ${failure?.code}.`);
    times.push(failure.at - killedAt);
  }
  times.sort((a, b) => a - b);
  say(`AGENT_GONE after SIGKILL, lease ${TTL_MS} ms, ${kills} times [ms]`, {
    min: times[0],
    median: times[Math.floor(times.length / 2)],
    max: times.at(-1),
  });
}

async function measureCalls(count: number): Promise<void> {
  const agent = await startAgent();
  const handles = await echo.delayMany(Array.from({ length: count }, (_, index) => index));
  const startedAt = performance.now();
  await Promise.all(handles.map((handle) => handle.result({ timeout: "5m" })));
  const perSecond = (count * 1_000) / (performance.now() - startedAt);
  agent.kill("SIGTERM");
  await once(agent, "exit");
  say(`calls, one worker, ${CONCURRENCY} at once [1/s]`, { median: perSecond });
}

function say(what: string, figures: Readonly<Record<string, number | undefined>>): void {
  const texts = Object.entries(figures).map(([title, value]) => `${title} ${value?.toFixed(0)}`);
  console.log(`${what}: ${texts.join(", ")}`);
}

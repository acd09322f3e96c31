/**
 * `node --import tsx examples/agents/run.ts [--store URL]`: three agents, two workers, a producer.
 *
 * Disks are formatted on nodes, with streamed progress. One agent is killed in the middle of a call
 * and started again, as when its node reboots; one is killed for good; one call is cancelled. The
 * run prints what happens and checks it. Exit codes: 0 all as it should be, 1 not so.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type App, createApp, type TaskView } from "etask";
import { Disks } from "./disks.ts";
import { Observer } from "./observer.ts";
import { Child, LEASE_MS } from "./processes.ts";
import { Report } from "./report.ts";
import { agentTasks } from "./tasks.ts";

const RUN_MS_MAX = 150_000;
/** How much later than the end of a dead agent's lease a call may hear of it. */
const LATE_MS_MAX = 2_000;
const SCRATCH = { scratch: "yes" };

const isPast = (percent: number) => (task: TaskView) =>
  task.state === "running" && (task.progress?.percent ?? 0) >= percent;
const hasEnded = ({ state }: TaskView) => ["succeeded", "failed", "cancelled"].includes(state);

/** The processes and what is known of them. */
interface Stage {
  readonly app: App;
  readonly prefix: string;
  readonly report: Report;
  readonly observer: Observer;
  readonly disks: Disks;
  start(file: string): Child;
}

/** In the middle of its call the agent dies, and a new process takes its address. */
async function reboot({ report, observer, disks }: Stage, agent: Child, again: Child) {
  const { serving: address = "" } = await agent.heard(({ serving }) => serving !== undefined);
  await again.heard(({ ready }) => ready === true);
  await observer.until("node-2/sda", isPast(30));
  report.say(`node-2 reboots: process ${agent.pid} is killed, ${again.pid} starts at ${address}`);
  await agent.end("SIGKILL");
  disks.lost("node-2");
  const serving = again.serve({ name: "node-2", address, labels: SCRATCH });
  const task = await observer.until("node-2/sda", hasEnded);
  await serving;
  const codes = task.attempts.map(({ error }) => error?.code);
  report.check("the reboot was told apart from a death", codes[0] === "AGENT_RESTARTED");
  report.check(
    "the disk was then formatted by the agent's new process",
    task.state === "succeeded" && (task.result as { pid: number }).pid === again.pid,
  );
}

/** In the middle of its call the agent dies for good. */
async function kill({ app, prefix, report, observer, disks }: Stage, agent: Child) {
  await observer.until("node-3/sda", isPast(30));
  const killedAt = performance.now();
  report.say(`node-3 is killed for good: process ${agent.pid}`);
  await agent.end("SIGKILL");
  disks.lost("node-3");
  const lost = await observer.until("node-3/sda", ({ state }) => state !== "running");
  const lostMs = performance.now() - killedAt;
  const { code } = lost.attempts.at(-1)?.error ?? {};
  report.check(`its call failed after ${Math.round(lostMs)} ms`, code === "AGENT_GONE");
  report.check("which was in time", lostMs <= LEASE_MS + LATE_MS_MAX);
  const { waitsFor } = await observer.until(
    "node-3/sda",
    (task) => task.waitsFor !== undefined || hasEnded(task),
  );
  report.check("its task waits, and says for whom", waitsFor === "no live agent named node-3");
  await app.handle(`${prefix}node-3/sda`).cancel({ reason: "the node is given up" });
  const { state } = await observer.until("node-3/sda", hasEnded);
  report.check("until it is cancelled", state === "cancelled");
}

/** Somebody changes their mind in the middle of a call. */
async function cancel({ app, prefix, report, observer, disks }: Stage) {
  await observer.until("node-1/sdb", isPast(30));
  report.say("node-1/sdb is not to be formatted after all");
  await app.handle(`${prefix}node-1/sdb`).cancel({ reason: "the disk is still needed" });
  const { state } = await observer.until("node-1/sdb", hasEnded);
  const reason = disks.reasonOf("node-1/sdb");
  report.check("the agent was told why", state === "cancelled" && reason === "cancelled");
}

/** What nobody disturbs. */
async function finish({ app, prefix, report, observer }: Stage) {
  const { state, attempt } = await observer.until("node-1/sda", hasEnded);
  report.check("node-1/sda was formatted at once", state === "succeeded" && attempt === 1);
  const steps = observer.steps("node-1/sda");
  report.check(`its progress was seen, ${steps} times`, steps >= 3);
  const { lines } = await app.handle(`${prefix}node-1/sda`).log();
  report.check(`its log has what the agent said`, lines.at(-1)?.text.includes("written") === true);
  const scratch = await observer.until("scratch", hasEnded);
  const { node } = (scratch.result ?? {}) as { node?: string };
  report.check(`some scratch disk was formatted, on ${node}`, scratch.state === "succeeded");
}

async function play(stage: Stage): Promise<void> {
  const agents = Array.from({ length: 4 }, () => stage.start("./agent.ts"));
  const [one, two, three, twoAgain] = agents as [Child, Child, Child, Child];
  const workers = [stage.start("./worker.ts"), stage.start("./worker.ts")];
  const address = "127.0.0.1:0";
  await Promise.all(agents.map((agent) => agent.heard(({ ready }) => ready === true)));
  await one.serve({ name: "node-1", address, labels: SCRATCH });
  await two.serve({ name: "node-2", address, labels: SCRATCH });
  await three.serve({ name: "node-3", address, labels: {} });
  await Promise.all(workers.map((worker) => worker.heard(({ ready }) => ready === true)));
  stage.report.say("three agents serve, two workers work");
  await stage.start("./producer.ts").heard(({ ready }) => ready === true);
  stage.report.say("five disks are to be formatted");
  await Promise.all([
    reboot(stage, two, twoAgain),
    kill(stage, three),
    cancel(stage),
    finish(stage),
  ]);
  await Promise.all([...workers, one, twoAgain].map((child) => child.end("SIGTERM")));
}

async function run(store: string, report: Report): Promise<void> {
  const name = `agents-${process.pid}`;
  await using app = await createApp({ store, tasks: agentTasks, beat: false });
  const children: Child[] = [];
  const disks = new Disks(report);
  const observer = new Observer(`${name}/`, report);
  const start = (file: string) => {
    const env = { ETASK_STORE: store, AGENTS_RUN: name };
    const child = new Child(file, env, (told) => disks.hear(told));
    children.push(child);
    return child;
  };
  const ending = new AbortController();
  const { revision } = await app.backend.list({ prefix: `${name}/` });
  const following = observer.follow(app, revision, ending.signal);
  try {
    await Promise.race([
      play({ app, prefix: `${name}/`, report, observer, disks, start }),
      following.then(() => Promise.reject(new Error("The watch has ended."))),
    ]);
    const { tasks } = await app.backend.list({ prefix: `${name}/` });
    for (const { id } of tasks) await app.backend.remove(id);
  } finally {
    await Promise.all(children.map((child) => child.end("SIGKILL")));
    ending.abort();
  }
}

const { values } = parseArgs({ options: { store: { type: "string" } } });
const report = new Report();
const directory = await mkdtemp(join(tmpdir(), "etask-agents-"));
// Unreferenced, so that it is there for a run that hangs and no other.
setTimeout(() => {
  console.error(`The run was not done after ${RUN_MS_MAX / 1_000} s.`);
  process.exit(1);
}, RUN_MS_MAX).unref();
try {
  await run(values.store ?? `embedded:${join(directory, "store")}`, report);
  report.say(report.findings.length === 0 ? "all as it should be" : "not as it should be");
} finally {
  await rm(directory, { recursive: true, force: true });
}
if (report.findings.length > 0) process.exitCode = 1;

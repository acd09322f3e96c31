/** Runner processes never outlive their worker, however it ends. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { PROCESSES_MS } from "../cli/command.ts";
import { isAlive, untilDead } from "./processes.ts";

interface Pids {
  readonly busy: number;
  readonly idle: number;
  /** What the handler of the busy one started. */
  readonly child: number;
}

const program = fileURLToPath(new URL("./fixtures/worker.ts", import.meta.url));

async function startProgram(): Promise<AsyncDisposable & { worker: ChildProcess; pids: Pids }> {
  const worker = fork(program, [], { execArgv: ["--import", "tsx"] });
  const [pids] = (await once(worker, "message")) as [Pids];
  const stop = async () => {
    if (worker.exitCode !== null || worker.signalCode !== null) return;
    worker.kill("SIGKILL");
    await once(worker, "exit");
  };
  return { worker, pids, [Symbol.asyncDispose]: stop };
}

test.each(["SIGKILL", "SIGTERM"] as const)(
  "orphans: after %s of the worker no runner is left, busy or idle",
  async (signal) => {
    await using program = await startProgram();
    const { worker, pids } = program;
    const all = [pids.busy, pids.idle, pids.child];
    expect(new Set(all).size).toBe(3);
    expect(all.map(isAlive)).toEqual([true, true, true]);
    worker.kill(signal);
    await once(worker, "exit");
    await Promise.all(all.map(untilDead));
  },
  PROCESSES_MS,
);

test("orphans: a runner leaves it to its worker to obey signals", {
  timeout: PROCESSES_MS,
}, async () => {
  await using program = await startProgram();
  const { worker, pids } = program;
  for (const pid of [pids.busy, pids.idle]) {
    process.kill(pid, "SIGINT");
    process.kill(pid, "SIGTERM");
  }
  // One that is killed outright shows that the others had their signals, too.
  process.kill(pids.child, "SIGKILL");
  await untilDead(pids.child);
  expect([pids.busy, pids.idle].map(isAlive)).toEqual([true, true]);
  worker.kill("SIGTERM");
  await once(worker, "exit");
});

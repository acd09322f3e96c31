import { type ChildProcess, fork } from "node:child_process";
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { shownBytes } from "../../base/byte-size.ts";
import { entryOf } from "../../base/thread.ts";
import { LIFELINE_FD, lastWord, OTHER_BYTES } from "./lifeline.ts";
import type { FromRunner, ToRunner } from "./protocol.ts";
import {
  loaderOptions,
  type RunnerBody,
  type RunnerBodyEvents,
  type RunnerEnd,
} from "./runner-body.ts";

const HEARD_LENGTH_MAX = 256;
/** How V8 ends a process whose heap is full. */
const ABORTS: readonly string[] = ["SIGABRT", "SIGTRAP", "SIGILL"];

/** Starts a process that runs isolated tasks and may take `memoryBytes` in all. */
export function startProcessRunner(memoryBytes: number, events: RunnerBodyEvents): RunnerBody {
  const child = forkRunner(memoryBytes);
  // It is not there when the system has no room for a process.
  const lifeline = child.stdio?.[LIFELINE_FD] as Socket | null | undefined;
  let heard = "";
  lifeline?.on("data", (bytes) => {
    heard = (heard + bytes).slice(-HEARD_LENGTH_MAX);
  });
  lifeline?.on("error", () => {});
  child.on("message", (message) => events.message(message as FromRunner));
  child.on("error", (error) => {
    if (child.pid !== undefined) return;
    const how = `could not be started: ${error.message}`;
    events.ended({ how, outOfMemory: false, cause: error });
  });
  // A handler may have closed the channel; no answer can come any more.
  child.once("disconnect", () => killGroup(child));
  // Not `exit`: what it said before may still be on its way then.
  child.once("close", (code, signal) => {
    if (child.pid !== undefined) events.ended(endOf(code, signal, heard));
  });
  lifeline?.unref();
  return {
    id: child.pid ?? 0,
    // It fails when the process has just ended, which `close` tells.
    send: (message: ToRunner) => child.send(message, () => {}),
    hold: (held) => {
      child[held ? "ref" : "unref"]();
      child.channel?.[held ? "ref" : "unref"]();
    },
    kill: () => killGroup(child),
  };
}

/**
 * In a process group of its own: a Ctrl-C on the terminal is for the worker alone, and what the
 * handler starts dies with the runner.
 */
function forkRunner(memoryBytes: number): ChildProcess {
  const { url, execArgv } = entryOf(new URL("./runner-process.ts", import.meta.url));
  const heapMb = Math.round((memoryBytes - OTHER_BYTES) / 1_048_576);
  return fork(fileURLToPath(url), [String(memoryBytes)], {
    execArgv: [...loaderOptions(process.execArgv), ...execArgv, `--max-old-space-size=${heapMb}`],
    stdio: ["ignore", "inherit", "inherit", "ipc", "pipe"],
    detached: true,
  });
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It is gone already.
  }
}

function endOf(code: number | null, signal: string | null, heard: string): RunnerEnd {
  const last = lastWord(heard);
  if (last?.word === "over") {
    return { how: `had ${shownBytes(last.bytes)} of memory`, outOfMemory: true };
  }
  if (signal === null) return { how: `exited with code ${code}`, outOfMemory: false };
  if (last?.word === "nearly" && ABORTS.includes(signal)) {
    const how = `had ${shownBytes(last.bytes)} of memory or more, and its heap was full`;
    return { how, outOfMemory: true };
  }
  return { how: `was ended by ${signal}`, outOfMemory: false };
}

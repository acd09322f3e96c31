/**
 * The entry of a process that runs isolated tasks; `process-runner.ts` starts it, as the leader of
 * a process group of its own.
 *
 * Its main thread may be stuck in a handler at any time. So a thread beside it, the guard, watches
 * the memory of the process and whether the worker still lives; see `runner-guard.ts`. The runner
 * is ready when its guard is, not before: no code of the user's runs unwatched.
 *
 * The signals by which people and service managers stop a whole group of processes are for the
 * worker to obey: it lets its tasks end first, and ends its runners then.
 */
import { once } from "node:events";
import { startThread } from "../../base/thread.ts";
import { GuardBoard } from "./guard-board.ts";
import type { FromRunner, ToRunner } from "./protocol.ts";
import type { GuardData } from "./runner-guard.ts";

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
const send = process.send?.bind(process);
if (!send) throw new Error("runner-process.ts is the entry of a process with a channel.");

// Modules of the user's may look at the arguments; ours are none of their business.
const [memoryBytes] = process.argv.splice(2);
const board = new GuardBoard();
const guard = startThread(new URL("./runner-guard.ts", import.meta.url), {
  memoryBytes: Number(memoryBytes),
  shared: board.shared,
} satisfies GuardData);
// Loaded while the guard starts: a runner that is there sooner is worth the unusual place.
const [{ serveRunner }] = await Promise.all([import("./serve-runner.ts"), once(guard, "message")]);
guard.unref();
serveRunner({
  send: (message: FromRunner) => send(message),
  receive: (listener) => process.on("message", (message: ToRunner) => listener(message)),
  busy: (busy) => {
    if (board.setBusy(busy)) guard.postMessage("wake");
  },
  usedBytes: () => process.memoryUsage.rss(),
});

/**
 * The entry of the thread that stands beside a runner process's main thread, which may be stuck.
 *
 * It holds the lifeline, a pipe whose other end is the worker's. When that end closes, the worker
 * is dead, however it died, and the whole process group of the runner is killed: no orphan goes on.
 *
 * While an attempt runs it looks at the memory of the process every {@link PERIOD_MS}; when none
 * has run for a second it sleeps until it is woken. Near the limit it says so on the lifeline,
 * because V8 aborts a process whose heap is full without another word; above the limit it says so
 * and kills the group. The worker reads what was said after the process has ended.
 */
import { Socket } from "node:net";
import { parentPort, workerData } from "node:worker_threads";
import { systemClock } from "../../base/clock.ts";
import { GuardBoard } from "./guard-board.ts";
import { LIFELINE_FD, type LifelineWord, NEARLY } from "./lifeline.ts";

const PERIOD_MS = 50;
/** Looks without anything to see, until the guard sleeps. */
const IDLE_LOOKS_MAX = 20;

/** What the guard is given at its start. */
export interface GuardData {
  readonly memoryBytes: number;
  /** See `guard-board.ts`. */
  readonly shared: SharedArrayBuffer;
}

const port = parentPort;
if (!port) throw new Error("runner-guard.ts is the entry of a worker thread.");
const { memoryBytes, shared } = workerData as GuardData;
const board = new GuardBoard(shared);

const lifeline = new Socket({ fd: LIFELINE_FD, readable: true, writable: true });
lifeline.on("error", killGroup);
lifeline.on("close", killGroup);
lifeline.resume();

let saidNearly = false;
let idleLooks = 0;
port.on("message", look);
port.postMessage("ready");
look();

function look(): void {
  idleLooks = board.busy ? 0 : idleLooks + 1;
  if (board.busy) lookAtMemory();
  if (idleLooks < IDLE_LOOKS_MAX || !board.fallAsleep()) systemClock.after(PERIOD_MS, look);
}

function lookAtMemory(): void {
  const rss = process.memoryUsage.rss();
  if (rss >= memoryBytes) say("over", rss, killGroup);
  else if (rss >= memoryBytes * NEARLY !== saidNearly) {
    saidNearly = !saidNearly;
    say(saidNearly ? "nearly" : "below", rss);
  }
}

function say(word: LifelineWord, rss: number, then: () => void = () => {}): void {
  lifeline.write(`${word} ${rss}\n`, then);
}

function killGroup(): void {
  process.kill(-process.pid, "SIGKILL");
}

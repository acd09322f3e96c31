import { appendFileSync, existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type AttemptAbortedError, defineTask } from "../../src/index.ts";

/** Where a handler notes that it started, and which file lets it end. */
export interface GateInput {
  readonly log: string;
  readonly gate: string;
}

/** Runs until a file appears. Deaf to its signal, like much code in the world. */
export const gate = defineTask({
  name: "scenario.gate",
  async run({ log, gate }: GateInput, { id, attempt, fence }) {
    appendFileSync(log, `${JSON.stringify({ id, attempt, fence, pid: process.pid })}\n`);
    while (!existsSync(gate)) await sleep(10);
    return { pid: process.pid };
  },
});

/** Notes that it started and ends at once. */
export const note = defineTask({
  name: "scenario.note",
  run({ log }: { readonly log: string }, { id, attempt, fence }) {
    appendFileSync(log, `${JSON.stringify({ id, attempt, fence, pid: process.pid })}\n`);
    return { pid: process.pid };
  },
});

/** Blocks the event loop of its process. */
export const block = defineTask({
  name: "scenario.block",
  run({ ms }: { readonly ms: number }) {
    const until = performance.now() + ms;
    while (performance.now() < until);
    return { pid: process.pid };
  },
});

/** Runs until it is told to stop, and notes why. */
export const obey = defineTask({
  name: "scenario.obey",
  async run({ log }: { readonly log: string }, { id, attempt, signal }) {
    appendFileSync(log, `${JSON.stringify({ id, attempt, pid: process.pid })}\n`);
    try {
      await sleep(600_000, undefined, { signal });
    } finally {
      const { reason: told, code } = signal.reason as AttemptAbortedError;
      appendFileSync(log, `${JSON.stringify({ id, told, code })}\n`);
    }
  },
});

/** Notes that it started, and takes a while. */
export const work = defineTask({
  name: "scenario.work",
  async run({ log, ms }: { readonly log: string; readonly ms: number }, { id, attempt, fence }) {
    appendFileSync(log, `${JSON.stringify({ id, attempt, fence, pid: process.pid })}\n`);
    await sleep(ms);
  },
});

/** All tasks of the scenarios. */
export const tasks = [gate, note, block, obey, work];

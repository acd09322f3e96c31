import { appendFileSync, existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { defineTask } from "../../src/index.ts";

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

/** All tasks of the scenarios. */
export const tasks = [gate, note, block];

/**
 * `npm run bench -- sweep [--tasks 20000 --line 3.5]`: what sweeping does to other writes.
 *
 * An etcd of its own gets ended tasks whose retention is over. A probe writes one small key every
 * 2 ms, first with nothing else going on, then while a sweeper removes them all; the figures are
 * the probe's latencies.
 */
import { parseArgs } from "node:util";
import { openStore } from "etask";
import { systemClock } from "../src/base/clock.ts";
import { systemRandom } from "../src/base/random.ts";
import { runSweeper } from "../src/beat/sweeper.ts";
import type { Part } from "../src/store/part.ts";
import { put } from "../src/store/part.ts";
import type { Store } from "../src/store/store.ts";
import { expireKey, taskKey } from "../src/task/keyspace.ts";
import { encodeRecord } from "../src/task/records.ts";
import { startEtcd } from "../test/support/etcd-server.ts";

const PROBE_MS = 2;
const IDLE_MS = 5_000;

const { values } = parseArgs({
  options: {
    tasks: { type: "string", default: "20000" },
    line: { type: "string", default: "3.5" },
  },
});
const tasks = Number(values.tasks);
await using server = await startEtcd({ line: values.line === "3.4" ? "3.4" : "3.5" });
await using store = await openStore(server.url);
// Not through the sweeper's connection: what waits for it is the server.
await using other = await openStore(server.url);
await fill(store);

console.log(`etcd ${server.version}, ${tasks} tasks to sweep; latency of other writes [ms]`);
const idle = new AbortController();
setTimeout(() => idle.abort(), IDLE_MS);
say("alone", await probe(other, idle.signal));
const sweeping = new AbortController();
const world = { clock: systemClock, random: systemRandom };
const startedAt = performance.now();
const sweeper = runSweeper(store, world, sweeping.signal);
void untilSwept(store).then(() => sweeping.abort());
say("while sweeping", await probe(other, sweeping.signal));
await sweeper;
const seconds = (performance.now() - startedAt) / 1_000;
console.log(`swept in ${seconds.toFixed(1)} s, ${Math.round(tasks / seconds)} tasks/s`);

async function fill(into: Store): Promise<void> {
  const value = Buffer.alloc(300, "x");
  const past = Date.now() - 300_000;
  const parts = Array.from({ length: tasks }, (_, n): Part => {
    const id = `t${String(n).padStart(9, "0")}`;
    const expire = encodeRecord({ queue: "q", bytes: 600 });
    const records = [put(taskKey(id, "spec"), value), put(taskKey(id, "state"), value)];
    return { guards: [], writes: [...records, put(expireKey(past, id), expire)] };
  });
  for (let from = 0; from < tasks; from += 90) await into.commit(parts.slice(from, from + 90));
}

async function probe(on: Store, signal: AbortSignal): Promise<number[]> {
  const took: number[] = [];
  const underWay: Promise<void>[] = [];
  for (let n = 0; !signal.aborted; n += 1) {
    const askedAt = performance.now();
    const part = { guards: [], writes: [put(`probe/${n % 50}`, Buffer.from("x"))] };
    const written = on.commit([part]).then(() => void took.push(performance.now() - askedAt));
    underWay.push(written);
    await new Promise((resolve) => setTimeout(resolve, PROBE_MS));
  }
  await Promise.all(underWay);
  return took.sort((a, b) => a - b);
}

async function untilSwept(on: Store): Promise<void> {
  const range = { start: "expire/", end: "expire0" };
  for (;;) {
    const { entries } = await on.range(range, { limit: 1 });
    if (entries.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function say(what: string, sorted: readonly number[]): void {
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN).toFixed(
      1,
    );
  const cells = [`p50 ${at(0.5)}`, `p99 ${at(0.99)}`, `max ${at(1)}`, `(${sorted.length} writes)`];
  console.log(`${what.padEnd(16)} ${cells.join("  ")}`);
}

import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { latencyOf } from "./protocol.ts";

const SYNCS = 200;
const SYNC_BYTES = 4_096;
const GIB = 1024 ** 3;

/** What a reader must know of the machine. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly node: string;
  /** 4 KiB appended and synchronized to the disk that the servers write to, in ms. */
  readonly syncP50: number;
  readonly syncP99: number;
  /** Processes ready to run in the last minute, when the run began: other work on the machine. */
  readonly load: number;
}

/** Describes this machine. */
export async function describeMachine(): Promise<Machine> {
  const load = await readFile("/proc/loadavg", "utf8").catch(() => "NaN");
  const sync = await timeSyncs();
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / GIB),
    kernel: release(),
    node: process.versions.node,
    syncP50: sync.p50,
    syncP99: sync.p99,
    load: Number.parseFloat(load),
  };
}

async function timeSyncs() {
  const directory = await mkdtemp(join(tmpdir(), "etask-bench-sync-"));
  const file = openSync(join(directory, "file"), "w");
  const bytes = Buffer.alloc(SYNC_BYTES, 1);
  const samples: number[] = [];
  for (let count = 0; count < SYNCS; count += 1) {
    const startedAt = performance.now();
    writeSync(file, bytes);
    fdatasyncSync(file);
    samples.push(performance.now() - startedAt);
  }
  closeSync(file);
  await rm(directory, { recursive: true, force: true });
  return latencyOf(samples);
}

import { freemem, totalmem } from "node:os";
import type { CgroupPath, Cgroups } from "./cgroups.ts";
import { numberIn, numberNamed, type ReadText } from "./read-text.ts";

const KIB = 1_024;

interface MemoryFiles {
  readonly bounds: readonly string[];
  readonly used: string;
  /** What the kernel gives up when memory is wanted. */
  readonly reclaimable: string;
}

const FILES: Readonly<Record<CgroupPath["version"], MemoryFiles>> = {
  1: {
    bounds: ["memory.limit_in_bytes"],
    used: "memory.usage_in_bytes",
    reclaimable: "total_inactive_file",
  },
  // Above memory.high the kernel makes a process so slow that it is no room either.
  2: {
    bounds: ["memory.max", "memory.high"],
    used: "memory.current",
    reclaimable: "inactive_file",
  },
};

/**
 * The share of memory that is free, 0 to 1: of the host, or of what the process may use when less
 * of that is left. Files that the kernel can give up count as free.
 */
export function memoryFree(read: ReadText, { memory }: Cgroups): number {
  const host = hostMemory(read);
  const shares = (memory?.directories ?? []).map((directory) =>
    freeIn(read, directory, FILES[memory?.version ?? 2], host.total),
  );
  return Math.max(0, Math.min(1, host.free / host.total, ...shares));
}

function hostMemory(read: ReadText): { free: number; total: number } {
  const lines = read("/proc/meminfo")
    ?.replaceAll(":", " ")
    .replace(/ +/g, " ")
    .replaceAll(" kB", "");
  const total = numberNamed("MemTotal", lines);
  const free = numberNamed("MemAvailable", lines);
  if (total === undefined || free === undefined) return { free: freemem(), total: totalmem() };
  return { free: free * KIB, total: total * KIB };
}

/** A cgroup without a bound, or with one above all there is, has as much as the host: 1. */
function freeIn(read: ReadText, directory: string, files: MemoryFiles, total: number): number {
  const bounds = files.bounds.map((name) => numberIn(read(`${directory}/${name}`)));
  const bound = Math.min(...bounds.map((each) => each ?? Number.POSITIVE_INFINITY));
  const used = bound < total ? numberIn(read(`${directory}/${files.used}`)) : undefined;
  if (used === undefined || bound <= 0) return 1;
  const reclaimable = numberNamed(files.reclaimable, read(`${directory}/memory.stat`)) ?? 0;
  return (bound - Math.max(0, used - reclaimable)) / bound;
}

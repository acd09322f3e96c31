/**
 * What processes cost, as Linux counts it under /proc. A tree of processes is a root and all its
 * descendants; those that have ended are in the counts of their parents.
 */
import { readdir, readFile, writeFile } from "node:fs/promises";

/** Ticks of `/proc/PID/stat` in a second: fixed for programs, whatever the kernel ticks with. */
const TICKS_PER_SECOND = 100;

/** Costs so far. */
export interface Usage {
  readonly cpuSeconds: number;
  /** Bytes that the kernel was given to write to a disk. */
  readonly writtenBytes: number;
}

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly ticks: number;
}

/** What the trees with these roots have cost up to now. */
export async function usageOf(roots: readonly number[]): Promise<Usage> {
  const tree = treesOf(roots, await processes());
  const written = await Promise.all(tree.map(({ pid }) => writtenBy(pid)));
  return {
    cpuSeconds: sum(tree.map(({ ticks }) => ticks)) / TICKS_PER_SECOND,
    writtenBytes: sum(written),
  };
}

/** What was used between two looks. */
export function usageBetween(before: Usage, after: Usage): Usage {
  return {
    cpuSeconds: after.cpuSeconds - before.cpuSeconds,
    writtenBytes: after.writtenBytes - before.writtenBytes,
  };
}

/**
 * The largest resident memory of each process that lives, summed up. Memory that processes share is
 * counted once for each, which makes servers of many processes look larger than they are.
 */
export async function peakBytes(roots: readonly number[]): Promise<number> {
  const tree = treesOf(roots, await processes());
  const peaks = await Promise.all(
    tree.map(async ({ pid }) => {
      const text = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
      return Number(/^VmHWM:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1_024;
    }),
  );
  return sum(peaks);
}

/** Lets {@link peakBytes} begin anew. */
export async function resetPeaks(roots: readonly number[]): Promise<void> {
  const tree = treesOf(roots, await processes());
  await Promise.all(tree.map(({ pid }) => writeFile(`/proc/${pid}/clear_refs`, "5").catch(ignore)));
}

/** A process that has ended meanwhile, or is not ours, keeps its peak. */
function ignore(): void {}

async function processes(): Promise<readonly Process[]> {
  const names = await readdir("/proc").catch(() => []);
  const found = await Promise.all(names.filter((name) => /^\d+$/.test(name)).map(statOf));
  return found.filter((each) => each !== undefined);
}

async function statOf(pid: string): Promise<Process | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The name of the program is in parentheses and may hold anything.
  const [, parent, ...rest] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  if (parent === undefined) return undefined;
  // Of the process and of its children that have ended: utime, stime, cutime, cstime.
  return { pid: Number(pid), parent: Number(parent), ticks: sum(rest.slice(9, 13).map(Number)) };
}

function treesOf(roots: readonly number[], all: readonly Process[]): readonly Process[] {
  const wanted = new Set(roots);
  for (let grown = true; grown; ) {
    const children = all.filter(({ pid, parent }) => wanted.has(parent) && !wanted.has(pid));
    for (const { pid } of children) wanted.add(pid);
    grown = children.length > 0;
  }
  return all.filter(({ pid }) => wanted.has(pid));
}

async function writtenBy(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/io`, "utf8").catch(() => "");
  return Number(/^write_bytes: (\d+)/m.exec(text)?.[1] ?? 0);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

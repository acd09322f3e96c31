import { readdirSync } from "node:fs";
import type { ReadText } from "./read-text.ts";

/** More processes than this are not looked through for children. */
const PROCESSES_MAX = 2_000;
const TICK_MS = 10;

/** What `/proc/{pid}/stat` says of a process. */
export interface ProcessTimes {
  readonly parent: number;
  /** Milliseconds of processor time. */
  readonly own: number;
  /** Of children that have ended and were waited for. */
  readonly children: number;
}

/** Reads `/proc/{pid}/stat`. A program's name may hold anything, also spaces and parentheses. */
export function parseProcess(stat: string | undefined): ProcessTimes | undefined {
  const fields =
    stat
      ?.slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number) ?? [];
  const [, parent, ...rest] = fields;
  const [user, system, childrenUser, childrenSystem] = rest.slice(9, 13);
  if (parent === undefined || childrenSystem === undefined) return undefined;
  const ticks = (user ?? 0) + (system ?? 0);
  return {
    parent,
    own: ticks * TICK_MS,
    children: ((childrenUser ?? 0) + childrenSystem) * TICK_MS,
  };
}

/**
 * Milliseconds of processor time that this process and its children have used. Children that still
 * run are looked for only if `withChildren`: that reads the whole list of processes. Where the
 * system does not tell, they are not counted.
 */
export function ownCpuMs(read: ReadText, withChildren: boolean): number {
  const { user, system } = process.cpuUsage();
  const ended = parseProcess(read("/proc/self/stat"))?.children ?? 0;
  const running =
    withChildren && hasChildren() ? childrenMs(read, process.pid, listProcesses()) : 0;
  return (user + system) / 1e3 + ended + running;
}

function hasChildren(): boolean {
  return process.getActiveResourcesInfo().includes("ProcessWrap");
}

function listProcesses(): readonly number[] {
  try {
    return readdirSync("/proc").map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

/** The time of all processes below `root`, with that of children of theirs that have ended. */
export function childrenMs(read: ReadText, root: number, processes: readonly number[]): number {
  if (processes.length > PROCESSES_MAX) return 0;
  const byParent = new Map<number, { pid: number; ms: number }[]>();
  for (const pid of processes) {
    const times = parseProcess(read(`/proc/${pid}/stat`));
    if (!times) continue;
    const siblings = byParent.get(times.parent) ?? [];
    siblings.push({ pid, ms: times.own + times.children });
    byParent.set(times.parent, siblings);
  }
  let sum = 0;
  const found = [...(byParent.get(root) ?? [])];
  // Each process has one parent, so this ends, also while the list changes.
  for (const { pid, ms } of found) {
    sum += ms;
    found.push(...(byParent.get(pid) ?? []));
  }
  return sum;
}

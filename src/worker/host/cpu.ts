/**
 * How busy the processors are, told from counters that only grow.
 *
 * Two things bound a process: the processors that it may run on, which it shares with the whole
 * host, and the quota of its cgroups. Whatever is fuller counts. Idle work must not count against
 * itself, or it would stop itself again and again and never end. So while idle tasks run, what
 * this process and its children use is taken off, and what is left is used by others. Where no time
 * is left over, others may want more than they get, twice as much when half of all is ours: then
 * what they use counts double.
 */
import { cpus } from "node:os";
import type { Cgroups } from "./cgroups.ts";
import { numberIn, numberNamed, type ReadText } from "./read-text.ts";

/** Counters at one moment, in milliseconds of processor time. */
export interface CpuCounters {
  /** When they were read, by a clock that never goes back. */
  readonly at: number;
  /** Of all processors that this process may run on. */
  readonly host: { readonly busy: number; readonly total: number };
  /** Of each cgroup that has a quota, by its directory. */
  readonly quotas: ReadonlyMap<string, { readonly used: number; readonly processors: number }>;
  /** Of this process and its children. */
  readonly own: number;
}

/** Shares of what this process may use, 0 to 1. */
export interface CpuShares {
  readonly used: number;
  /** What others want of it. */
  readonly others: number;
}

/** Less than this left over means that somebody may have to wait. */
const LEFT_MIN = 0.05;
const TICK_MS = 10;

/** What was used between two readings; `exceptOwn` takes this process and its children off. */
export function cpuBetween(before: CpuCounters, now: CpuCounters, exceptOwn: boolean): CpuShares {
  const own = exceptOwn ? Math.max(0, now.own - before.own) : 0;
  const host = sharesOf(now.host.busy - before.host.busy, now.host.total - before.host.total, own);
  const all = [host];
  for (const [directory, quota] of now.quotas) {
    const used = quota.used - (before.quotas.get(directory)?.used ?? quota.used);
    all.push(sharesOf(used, (now.at - before.at) * quota.processors, own));
  }
  return {
    used: Math.max(...all.map(({ used }) => used)),
    others: Math.max(...all.map(({ others }) => others)),
  };
}

function sharesOf(busy: number, total: number, own: number): CpuShares {
  if (total <= 0) return { used: 0, others: 0 };
  const used = within(busy / total);
  const others = within(used - own / total);
  const contended = own > 0 && 1 - used < LEFT_MIN;
  return { used, others: contended ? within(2 * others) : others };
}

function within(share: number): number {
  return Math.max(0, Math.min(1, share));
}

/** Reads the counters of host and cgroups. */
export function readCpu(
  read: ReadText,
  cgroups: Cgroups,
  { at, own }: Pick<CpuCounters, "at" | "own">,
): CpuCounters {
  return { at, own, host: hostTimes(read), quotas: readQuotas(read, cgroups) };
}

function hostTimes(read: ReadText): CpuCounters["host"] {
  const stat = read("/proc/stat");
  if (stat === undefined) return timesOf(cpus().map(({ times }) => times));
  const allowed = allowedProcessors(read("/proc/self/status"));
  let busy = 0;
  let total = 0;
  for (const line of stat.split("\n")) {
    const match = /^cpu(\d+) (.+)$/.exec(line);
    if (!match || allowed?.has(Number(match[1])) === false) continue;
    // user nice system idle iowait irq softirq steal; guests are counted among user and nice.
    const ticks = (match[2] as string).split(" ").slice(0, 8).map(Number);
    const all = ticks.reduce((sum, each) => sum + each, 0);
    total += all * TICK_MS;
    busy += (all - (ticks[3] ?? 0) - (ticks[4] ?? 0)) * TICK_MS;
  }
  return { busy, total };
}

function timesOf(processors: readonly { readonly [kind: string]: number }[]): CpuCounters["host"] {
  const all = processors.flatMap((times) => Object.values(times));
  const total = all.reduce((sum, each) => sum + each, 0);
  const idle = processors.reduce((sum, times) => sum + (times.idle ?? 0), 0);
  return { busy: total - idle, total };
}

/** The processors in `Cpus_allowed_list: 0-3,8`; `undefined` when that is not told. */
export function allowedProcessors(status: string | undefined): Set<number> | undefined {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status ?? "")?.[1];
  if (list === undefined) return undefined;
  const numbers = list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
  return new Set(numbers);
}

function readQuotas(read: ReadText, { cpu, cpuacct }: Cgroups): CpuCounters["quotas"] {
  const quotas = new Map<string, { used: number; processors: number }>();
  for (const [index, directory] of (cpu?.directories ?? []).entries()) {
    const quota =
      cpu?.version === 1
        ? quotaOfFirst(read, directory, cpuacct?.directories[index])
        : quotaOfSecond(read, directory);
    if (quota) quotas.set(directory, quota);
  }
  return quotas;
}

/** Version 1: quota and usage, which is in nanoseconds, may be told in different hierarchies. */
function quotaOfFirst(read: ReadText, directory: string, usage: string | undefined) {
  const quota = numberIn(read(`${directory}/cpu.cfs_quota_us`));
  const period = numberIn(read(`${directory}/cpu.cfs_period_us`));
  if (quota === undefined || quota <= 0 || !period || usage === undefined) return undefined;
  const used = numberIn(read(`${usage}/cpuacct.usage`));
  return used === undefined ? undefined : { used: used / 1e6, processors: quota / period };
}

/** Version 2: `max 100000` is no quota, `150000 100000` are one and a half processors. */
function quotaOfSecond(read: ReadText, directory: string) {
  const [quota, period] = (read(`${directory}/cpu.max`) ?? "max").split(" ").map(Number);
  if (!quota || !period) return undefined;
  const used = numberNamed("usage_usec", read(`${directory}/cpu.stat`));
  return used === undefined ? undefined : { used: used / 1e3, processors: quota / period };
}

import fc from "fast-check";
import { expect, test } from "vitest";
import type { CgroupPath, Cgroups } from "./cgroups.ts";
import { allowedProcessors, type CpuCounters, cpuBetween, readCpu } from "./cpu.ts";

const AT = { at: 0, own: 0 };
const NONE: Cgroups = { cpu: undefined, cpuacct: undefined, memory: undefined };

function reading(files: Readonly<Record<string, string>>) {
  return (path: string) => files[path];
}

function groups(cpu: CgroupPath, cpuacct?: CgroupPath): Cgroups {
  return { cpu, cpuacct, memory: undefined };
}

interface Reading {
  readonly at: number;
  readonly busy?: number;
  readonly total?: number;
  readonly own?: number;
  readonly quota?: { readonly used: number; readonly processors: number };
}

function counters({ at, busy = 0, total = 0, own = 0, quota }: Reading): CpuCounters {
  return { at, host: { busy, total }, own, quotas: new Map(quota ? [["/c", quota]] : []) };
}

test("cpu: a host's counters are those of the processors that the process may run on", () => {
  const stat = [
    "cpu  300 0 300 600 0 0 0 0 0 0",
    "cpu0 100 10 20 300 40 1 2 3 50 0",
    "cpu1 200 0 0 100 0 0 0 0 0 0",
    "intr 1 2 3",
  ].join("\n");
  const all = readCpu(reading({ "/proc/stat": stat }), NONE, AT);
  expect(all.host).toEqual({ busy: 3_360, total: 7_760 });
  const status = "Name:\tnode\nCpus_allowed:\t2\nCpus_allowed_list:\t1\n";
  const one = readCpu(reading({ "/proc/stat": stat, "/proc/self/status": status }), NONE, AT);
  expect(one.host).toEqual({ busy: 2_000, total: 3_000 });
});

test("cpu: a list of processors has ranges and single ones", () => {
  expect([...(allowedProcessors("Cpus_allowed_list:\t0-2,5,8-9") ?? [])]).toEqual([
    0, 1, 2, 5, 8, 9,
  ]);
  expect(allowedProcessors("Name:\tnode")).toBeUndefined();
  expect(allowedProcessors(undefined)).toBeUndefined();
});

test("cpu: quotas of version 2 are read where there are any", () => {
  const files = {
    "/a/b/cpu.max": "150000 100000\n",
    "/a/b/cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
    "/a/cpu.max": "max 100000\n",
    "/a/cpu.stat": "usage_usec 9\n",
  };
  const found = groups({ version: 2, directories: ["/a/b", "/a", "/"] });
  expect([...readCpu(reading(files), found, AT).quotas]).toEqual([
    ["/a/b", { used: 2_500, processors: 1.5 }],
  ]);
});

test("cpu: quotas of version 1 are read, with the usage from its own hierarchy", () => {
  const files = {
    "/cpu/a/cpu.cfs_quota_us": "50000\n",
    "/cpu/a/cpu.cfs_period_us": "100000\n",
    "/acct/a/cpuacct.usage": "3000000000\n",
    "/cpu/cpu.cfs_quota_us": "-1\n",
    "/cpu/cpu.cfs_period_us": "100000\n",
    "/acct/cpuacct.usage": "9\n",
  };
  const found = groups(
    { version: 1, directories: ["/cpu/a", "/cpu"] },
    { version: 1, directories: ["/acct/a", "/acct"] },
  );
  expect([...readCpu(reading(files), found, AT).quotas]).toEqual([
    ["/cpu/a", { used: 3_000, processors: 0.5 }],
  ]);
});

test("cpu: a system without /proc says it in its own way", () => {
  const { host } = readCpu(() => undefined, NONE, AT);
  expect(host.total).toBeGreaterThan(host.busy);
});

test("cpu: what host and quota allow is told by the fuller of them", () => {
  const before = counters({ at: 0, quota: { used: 0, processors: 0.5 } });
  const hostBusy = { at: 1_000, busy: 1_600, total: 2_000 };
  const calm = counters({ ...hostBusy, quota: { used: 50, processors: 0.5 } });
  expect(cpuBetween(before, calm, false)).toEqual({ used: 0.8, others: 0.8 });
  const full = counters({ ...hostBusy, quota: { used: 450, processors: 0.5 } });
  expect(cpuBetween(before, full, false)).toEqual({ used: 0.9, others: 0.9 });
});

test("cpu: what idle work uses is not held against it", () => {
  const before = counters({ at: 0 });
  const now = counters({ at: 1_000, busy: 1_400, total: 2_000, own: 1_000 });
  expect(cpuBetween(before, now, true).used).toBe(0.7);
  expect(cpuBetween(before, now, true).others).toBeCloseTo(0.2);
  expect(cpuBetween(before, now, false).others).toBe(0.7);
});

test("cpu: where nothing is left, others may want twice of what they get", () => {
  const before = counters({ at: 0 });
  const fair = counters({ at: 1_000, busy: 2_000, total: 2_000, own: 1_000 });
  expect(cpuBetween(before, fair, true)).toEqual({ used: 1, others: 1 });
  const alone = counters({ at: 1_000, busy: 2_000, total: 2_000, own: 1_960 });
  expect(cpuBetween(before, alone, true).others).toBeCloseTo(0.04);
});

test("cpu: shares are shares, whatever the counters say", () => {
  const any = fc.record({
    at: fc.integer({ min: 0, max: 10_000 }),
    busy: fc.integer({ min: -10_000, max: 10_000 }),
    total: fc.integer({ min: -10_000, max: 10_000 }),
    own: fc.integer({ min: -10_000, max: 10_000 }),
    quota: fc.record({
      used: fc.integer({ min: -10_000, max: 10_000 }),
      processors: fc.double({ min: 0.01, max: 64, noNaN: true }),
    }),
  });
  fc.assert(
    fc.property(any, any, fc.boolean(), (a, b, exceptOwn) => {
      const shares = cpuBetween(counters(a), counters(b), exceptOwn);
      for (const share of [shares.used, shares.others]) {
        expect(share).toBeGreaterThanOrEqual(0);
        expect(share).toBeLessThanOrEqual(1);
      }
      if (!exceptOwn) expect(shares.others).toBe(shares.used);
    }),
  );
});

import { expect, test } from "vitest";
import type { Cgroups } from "./cgroups.ts";
import { memoryFree } from "./memory.ts";

const MIB = 1_048_576;
const MEMINFO = "MemTotal:        8192 kB\nMemFree:    512 kB\nMemAvailable:     4096 kB\n";

function reading(files: Readonly<Record<string, string | number>>) {
  const all: Record<string, string | number> = { "/proc/meminfo": MEMINFO, ...files };
  return (path: string) => all[path]?.toString();
}

function groups(version: 1 | 2, ...directories: string[]): Cgroups {
  return { cpu: undefined, cpuacct: undefined, memory: { version, directories } };
}

const NONE: Cgroups = { cpu: undefined, cpuacct: undefined, memory: undefined };

test("memory: without cgroups it is what the host has available", () => {
  expect(memoryFree(reading({}), NONE)).toBe(0.5);
});

test("memory: version 2 says what the container may use, and files can be given up", () => {
  const read = reading({
    "/c/memory.max": `${4 * MIB}\n`,
    "/c/memory.high": "max\n",
    "/c/memory.current": `${3 * MIB}\n`,
    "/c/memory.stat": `anon 5\ninactive_file ${MIB / 2}\nactive_file 7\n`,
  });
  expect(memoryFree(read, groups(2, "/c"))).toBe(0.375);
});

test("memory: version 1 says the same under other names", () => {
  const read = reading({
    "/c/memory.limit_in_bytes": `${4 * MIB}\n`,
    "/c/memory.usage_in_bytes": `${4 * MIB}\n`,
    "/c/memory.stat": `inactive_file 1\ntotal_inactive_file ${MIB}\n`,
  });
  expect(memoryFree(read, groups(1, "/c"))).toBe(0.25);
});

test("memory: the fullest of host and cgroups counts", () => {
  const read = reading({
    "/a/b/memory.max": 2 * MIB,
    "/a/b/memory.current": MIB / 2,
    "/a/memory.max": 4 * MIB,
    "/a/memory.current": 3.6 * MIB,
  });
  expect(memoryFree(read, groups(2, "/a/b", "/a"))).toBeCloseTo(0.1);
});

test("memory: above memory.high there is as little room as above memory.max", () => {
  const read = reading({
    "/c/memory.max": 4 * MIB,
    "/c/memory.high": MIB,
    "/c/memory.current": MIB * 0.9,
  });
  expect(memoryFree(read, groups(2, "/c"))).toBeCloseTo(0.1);
});

test.each([
  [2, { "/c/memory.max": "max", "/c/memory.current": MIB }],
  [1, { "/c/memory.limit_in_bytes": "9223372036854771712", "/c/memory.usage_in_bytes": MIB }],
  [2, { "/c/memory.max": 2 * MIB }],
  [2, { "/c/memory.max": "nonsense", "/c/memory.current": MIB }],
  [2, {}],
] as const)(
  "memory: a cgroup of version %d without a bound (%j) bounds nothing",
  (version, files) => {
    expect(memoryFree(reading(files), groups(version, "/c"))).toBe(0.5);
  },
);

test("memory: more in use than allowed is nothing free", () => {
  const read = reading({ "/c/memory.max": MIB, "/c/memory.current": 2 * MIB });
  expect(memoryFree(read, groups(2, "/c"))).toBe(0);
});

test("memory: a system without /proc says it in its own way", () => {
  const free = memoryFree(() => undefined, NONE);
  expect(free).toBeGreaterThan(0);
  expect(free).toBeLessThanOrEqual(1);
});

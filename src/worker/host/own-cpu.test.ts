import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { childrenMs, ownCpuMs, parseProcess } from "./own-cpu.ts";
import { readKernelFile } from "./read-text.ts";

function stat(pid: number, parent: number, times: readonly number[], name = "node"): string {
  return `${pid} (${name}) S ${parent} 1 1 0 -1 4194304 102 0 0 0 ${times.join(" ")} 20 0 1 0`;
}

test("own cpu: a process's times are read, whatever its program is called", () => {
  const times = { parent: 7, own: 30, children: 70 };
  expect(parseProcess(stat(9, 7, [1, 2, 3, 4]))).toEqual(times);
  expect(parseProcess(stat(9, 7, [1, 2, 3, 4], "a) S 1 (b"))).toEqual(times);
  expect(parseProcess("9 (node) S 7")).toBeUndefined();
  expect(parseProcess(undefined)).toBeUndefined();
});

test("own cpu: children and theirs are counted, others are not", () => {
  const files: Record<string, string> = {
    "/proc/2/stat": stat(2, 1, [10, 0, 5, 0]),
    "/proc/3/stat": stat(3, 2, [1, 1, 0, 0]),
    "/proc/4/stat": stat(4, 99, [50, 50, 50, 50]),
  };
  const read = (path: string) => files[path];
  expect(childrenMs(read, 1, [2, 3, 4, 5])).toBe(170);
  expect(childrenMs(read, 3, [2, 3, 4, 5])).toBe(0);
});

test("own cpu: more processes than can be looked through are not", () => {
  const read = () => stat(2, 1, [10, 0, 5, 0]);
  expect(
    childrenMs(
      read,
      1,
      Array.from({ length: 3_000 }, (_, pid) => pid + 2),
    ),
  ).toBe(0);
});

test("own cpu: a child's time counts while it runs and when it has ended", async () => {
  const program = "while (process.cpuUsage().user < 300_000); console.log(1);";
  const before = ownCpuMs(readKernelFile, false);
  const child = spawn(process.execPath, ["-e", `${program} setInterval(() => {}, 1000);`]);
  try {
    await once(child.stdout, "data");
    const [withIt, without] = [true, false].map((each) => ownCpuMs(readKernelFile, each));
    expect(Number(withIt) - Number(without)).toBeGreaterThan(100);
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  expect(ownCpuMs(readKernelFile, false) - before).toBeGreaterThan(100);
});

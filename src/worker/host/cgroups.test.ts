import { expect, test } from "vitest";
import { findCgroups } from "./cgroups.ts";

const SECOND = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate";

function mount1(controllers: string, root = "/"): string {
  return `33 31 0:30 ${root} /sys/fs/cgroup/${controllers} rw - cgroup cgroup rw,${controllers}`;
}

test("cgroups: in a container of version 2 with a namespace, what is mounted is its own", () => {
  const { cpu, memory } = findCgroups("0::/\n", SECOND);
  expect(cpu).toEqual({ version: 2, directories: ["/sys/fs/cgroup"] });
  expect(memory).toEqual(cpu);
});

test("cgroups: those above a service's own count, too, up to the root", () => {
  const { memory } = findCgroups("0::/system.slice/etask.service\n", SECOND);
  expect(memory?.directories).toEqual([
    "/sys/fs/cgroup/system.slice/etask.service",
    "/sys/fs/cgroup/system.slice",
    "/sys/fs/cgroup",
  ]);
});

test("cgroups: version 1 has a hierarchy for each group of controllers", () => {
  const membership = "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n";
  const mounts = [mount1("cpu,cpuacct"), mount1("memory")].join("\n");
  expect(findCgroups(membership, mounts)).toEqual({
    cpu: {
      version: 1,
      directories: [
        "/sys/fs/cgroup/cpu,cpuacct/docker/abc",
        "/sys/fs/cgroup/cpu,cpuacct/docker",
        "/sys/fs/cgroup/cpu,cpuacct",
      ],
    },
    cpuacct: {
      version: 1,
      directories: [
        "/sys/fs/cgroup/cpu,cpuacct/docker/abc",
        "/sys/fs/cgroup/cpu,cpuacct/docker",
        "/sys/fs/cgroup/cpu,cpuacct",
      ],
    },
    memory: {
      version: 1,
      directories: [
        "/sys/fs/cgroup/memory/docker/abc",
        "/sys/fs/cgroup/memory/docker",
        "/sys/fs/cgroup/memory",
      ],
    },
  });
});

test("cgroups: a container that sees a part of its host's hierarchy is found in that part", () => {
  const own = findCgroups("4:memory:/docker/abc\n", mount1("memory", "/docker/abc"));
  expect(own.memory?.directories).toEqual(["/sys/fs/cgroup/memory"]);
  const below = findCgroups("4:memory:/docker/abc/job\n", mount1("memory", "/docker/abc"));
  expect(below.memory?.directories).toEqual(["/sys/fs/cgroup/memory/job", "/sys/fs/cgroup/memory"]);
  const beside = findCgroups("4:memory:/docker/abcd\n", mount1("memory", "/docker/abc"));
  expect(beside.memory?.directories).toEqual(["/sys/fs/cgroup/memory"]);
});

test("cgroups: where both versions are mounted, a controller is where it is mounted", () => {
  const mounts = [mount1("memory"), SECOND.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified")];
  const { cpu, memory } = findCgroups("4:memory:/a\n0::/b\n", mounts.join("\n"));
  expect(memory?.directories[0]).toBe("/sys/fs/cgroup/memory/a");
  expect(cpu?.directories[0]).toBe("/sys/fs/cgroup/unified/b");
});

test("cgroups: names with spaces and colons are read as they are", () => {
  const mount = SECOND.replace("/sys/fs/cgroup", "/mnt/my\\040groups");
  expect(findCgroups("0::/a:b c\n", mount).cpu?.directories).toEqual([
    "/mnt/my groups/a:b c",
    "/mnt/my groups",
  ]);
});

test("cgroups: no more are looked at than there may sensibly be", () => {
  const { cpu } = findCgroups(`0::${"/deep".repeat(1_000)}\n`, SECOND);
  expect(cpu?.directories).toHaveLength(33);
});

test.each([
  ["", ""],
  ["0::/\n", ""],
  ["", SECOND],
  ["nonsense\n:::\n0::relative\n", "nonsense - - \n-"],
])("cgroups: where nothing is told (%j, %j) nothing is found", (membership, mounts) => {
  const nothing = { cpu: undefined, cpuacct: undefined, memory: undefined };
  expect(findCgroups(membership, mounts)).toEqual(nothing);
});

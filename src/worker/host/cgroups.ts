/**
 * Where the kernel says how much of the host a process may use: the directories of its cgroups.
 *
 * A process is in one cgroup of each hierarchy: of version 2 there is one hierarchy, of version 1
 * one for each group of controllers, and a host may have both. Bounds hold for a cgroup with all
 * that are below it, so those above it count, as far as they can be seen: inside a container its
 * own cgroup is often the root of what is mounted.
 */
import { posix } from "node:path";

/** The cgroups that bound one controller, the process's own first. */
export interface CgroupPath {
  readonly version: 1 | 2;
  readonly directories: readonly string[];
}

/** The cgroups of this process, by what they bound; `undefined` where nothing is mounted. */
export interface Cgroups {
  readonly cpu: CgroupPath | undefined;
  /** Where version 1 counts what is used; the directories go with those of `cpu`. */
  readonly cpuacct: CgroupPath | undefined;
  readonly memory: CgroupPath | undefined;
}

const DEPTH_MAX = 32;

interface Mount {
  readonly version: 1 | 2;
  readonly root: string;
  readonly point: string;
  readonly controllers: readonly string[];
}

/** Reads `/proc/self/cgroup` and `/proc/self/mountinfo`. */
export function findCgroups(membership: string, mountinfo: string): Cgroups {
  const mounts = mountinfo.split("\n").flatMap(parseMount);
  const paths = new Map(membership.split("\n").flatMap(parseMembership));
  const pathOf = (controller: string): CgroupPath | undefined => {
    const first = mounts.find((each) => each.controllers.includes(controller));
    const mount = first ?? mounts.find(({ version }) => version === 2);
    const path = paths.get(mount?.version === 1 ? controller : "");
    if (!mount || path === undefined) return undefined;
    return { version: mount.version, directories: directoriesOf(mount, path) };
  };
  return { cpu: pathOf("cpu"), cpuacct: pathOf("cpuacct"), memory: pathOf("memory") };
}

/** `4:cpu,cpuacct:/path` by each controller; of version 2, `0::/path` by the empty text. */
function parseMembership(line: string): [string, string][] {
  const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
  if (!match) return [];
  const path = match[2] as string;
  return (match[1] as string).split(",").map((controller) => [controller, path]);
}

function parseMount(line: string): Mount[] {
  const [before = "", after = ""] = line.split(" - ");
  const [type, , options = ""] = after.split(" ");
  const [, , , root = "/", point] = before.split(" ").map(unescaped);
  if (point === undefined) return [];
  if (type === "cgroup2") return [{ version: 2, root, point, controllers: [] }];
  if (type === "cgroup") return [{ version: 1, root, point, controllers: options.split(",") }];
  return [];
}

/** Spaces and the like stand as octal numbers in `mountinfo`. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

/** The directory of a cgroup and those above it, up to where the hierarchy is mounted. */
function directoriesOf({ root, point }: Mount, path: string): string[] {
  // A container without a namespace of its own is told its path on the host, of which it sees the
  // end; one that looks at a cgroup beside its own is told `/..` and sees nothing of it.
  const inside = path === root || root === "/" ? "" : `${root}/`;
  const relative = path.startsWith(inside)
    ? path.slice(path === root ? path.length : inside.length)
    : "";
  const parts = relative.split("/").filter((part) => part !== "" && part !== "..");
  const depths = Math.min(parts.length, DEPTH_MAX);
  return Array.from({ length: depths + 1 }, (_, up) =>
    posix.join(point, ...parts.slice(0, parts.length - up)),
  );
}

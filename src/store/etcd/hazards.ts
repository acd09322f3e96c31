/** A defect of some etcd versions that a task queue can meet. */
export interface Hazard {
  readonly hazard: string;
  readonly advice: string;
}

interface KnownHazard extends Hazard {
  /** For each release line the first patch with the fix; other lines are not affected. */
  readonly fixedIn: Readonly<Record<string, number>>;
  /** For each release line the first patch with the defect; by default its first. */
  readonly since?: Readonly<Record<string, number>>;
}

const NEVER = Number.POSITIVE_INFINITY;
const SAFE_HERE = "etask stays correct, because it decides by guarded commits alone.";

/** From etcd's changelogs and advisories; only what touches a task queue or its operator. */
const KNOWN: readonly KnownHazard[] = [
  {
    hazard: "The release line is no longer maintained and lacks security fixes.",
    advice: "Upgrade to a maintained release of etcd 3.5 or later.",
    fixedIn: { "3.4": NEVER },
  },
  {
    hazard: "Reads can be stale after a pause of a member's process, or at a change of leader.",
    advice: `Upgrade to 3.5.28, 3.6.9 or later. ${SAFE_HERE}`,
    fixedIn: { "3.4": 42, "3.5": 28, "3.6": 9 },
    since: { "3.4": 20 },
  },
  {
    hazard: "Watches can lose events: starved streams, compaction of a deletion.",
    advice: "Upgrade to 3.5.18 or later. Tasks may start late, until the next periodic listing.",
    fixedIn: { "3.4": 36, "3.5": 18 },
  },
  {
    hazard: "Watches can repeat old events after a fail-over to a member that lags.",
    advice: "Upgrade to 3.5.22, 3.6.2 or later. The driver drops such events.",
    fixedIn: { "3.4": 38, "3.5": 22, "3.6": 2 },
  },
  {
    hazard: "Leases can be revoked too early by a leader that was cut off or slow.",
    advice: `Upgrade to 3.5.13 or later. Workers may be replaced too early. ${SAFE_HERE}`,
    fixedIn: { "3.4": 31, "3.5": 13 },
  },
  {
    hazard: "A keep-alive can be answered although the lease is gone.",
    advice: `Upgrade to 3.5.23, 3.6.5 or later. ${SAFE_HERE}`,
    fixedIn: { "3.4": 38, "3.5": 23, "3.6": 5 },
  },
  {
    hazard: "The revision can go back after a crash during a compaction.",
    advice: "Upgrade to 3.5.14 or later. The driver takes it for a restored store and lists again.",
    fixedIn: { "3.4": 32, "3.5": 14 },
  },
  {
    hazard: "Members can become corrupt when one is defragmented while it catches up.",
    advice: "Upgrade to 3.5.23, 3.6.5 or later; until then never defragment a member that lags.",
    fixedIn: { "3.4": 38, "3.5": 23, "3.6": 5 },
  },
  {
    hazard: "A crash during a defragmentation can corrupt a member; a lone member can lose writes.",
    advice: "Upgrade to 3.5.6 or later.",
    fixedIn: { "3.4": 21, "3.5": 6 },
  },
  {
    hazard: "Permissions and the space quota are not checked fully within nested transactions.",
    advice:
      "Upgrade to 3.5.33, 3.6.14 or later. Until then any client with a valid user can pass its " +
      "limits: let only trusted clients connect (client certificates, network).",
    fixedIn: { "3.4": NEVER, "3.5": 33, "3.6": 14, "3.7": 1 },
  },
];

/** The known hazards of a server version; none for a version that is not understood. */
export function hazardsOf(version: string): Hazard[] {
  const parsed = parseVersion(version);
  if (parsed === undefined) return [];
  const { line, patch } = parsed;
  return KNOWN.filter(({ fixedIn, since }) => {
    const fixed = fixedIn[line];
    return fixed !== undefined && patch < fixed && patch >= (since?.[line] ?? 0);
  }).map(({ hazard, advice }) => ({ hazard, advice }));
}

/** Why a server version must not be used at all, if it must not. */
export function refusalOf(version: string): string | undefined {
  const parsed = parseVersion(version);
  if (parsed === undefined) return undefined;
  const { major, minor, patch } = parsed;
  if (major === 3 && minor === 5 && patch <= 2) {
    return `etcd ${version} can corrupt its data silently: upgrade to 3.5.3 or later`;
  }
  if (major < 3 || (major === 3 && minor < 4)) {
    return `etcd ${version} is too old: 3.4 is the least that works`;
  }
  return undefined;
}

function parseVersion(
  version: string,
): { line: string; major: number; minor: number; patch: number } | undefined {
  const match = /^(\d+)\.(\d+)\.(\d+)/.exec(version);
  if (match === null) return undefined;
  const [, major, minor, patch] = match;
  return {
    line: `${major}.${minor}`,
    major: Number(major),
    minor: Number(minor),
    patch: Number(patch),
  };
}

import { expect, test } from "vitest";
import type { EtcdEndpointStatus } from "../../store/etcd/index.ts";
import { etcdFindings } from "./etcd.ts";

const MIB = 1024 ** 2;

function server(over: object = {}): EtcdEndpointStatus {
  return {
    ...{ endpoint: "10.0.0.1:2379", version: "3.5.33", dbSizeBytes: 20 * MIB },
    quota: { bytes: 2_048 * MIB, source: "server" },
    ...{ dbSizeInUseBytes: 10 * MIB, leader: true, hasLeader: true, learner: false, revision: 7 },
    ...{ raftTerm: 1, raftIndex: 9, raftAppliedIndex: 9, alarms: [], errors: [], hazards: [] },
    ...over,
  };
}

const CASES: readonly (readonly [what: string, over: object, says: readonly string[]])[] = [
  ["a sound server is fine", {}, []],
  ["a server without a leader is an error", { hasLeader: false }, ["error: .*knows no leader"]],
  ["NOSPACE is an error, once", { alarms: ["NOSPACE"], errors: ["NOSPACE"] }, ["error: .*NOSPACE"]],
  ["CORRUPT is an error", { alarms: ["CORRUPT"] }, ["error: .*CORRUPT"]],
  ["what it reports itself is an error", { errors: ["disk"] }, ["error: .*reports: disk"]],
  [
    "a file near the quota is a warning",
    { dbSizeBytes: 1_800 * MIB, dbSizeInUseBytes: 1_700 * MIB },
    ["warning: .*1800.0 MiB on disk, and takes no writes from 2048.0 MiB on"],
  ],
  [
    "the quota is the server's own",
    { dbSizeBytes: 200 * MIB, dbSizeInUseBytes: 180 * MIB, quota: { bytes: 256 * MIB } },
    ["warning: .*takes no writes from 256.0 MiB on"],
  ],
  [
    "without a quota no file is too large",
    {
      ...{ dbSizeBytes: 9_000 * MIB, dbSizeInUseBytes: 8_000 * MIB },
      quota: { bytes: undefined, source: "server" },
    },
    [],
  ],
  [
    "a file that is mostly free space is a warning",
    { dbSizeBytes: 500 * MIB, dbSizeInUseBytes: 100 * MIB },
    ["warning: More than half"],
  ],
  [
    "a known hazard is a warning",
    { hazards: [{ hazard: "Leases end early.", advice: "Upgrade." }] },
    ["warning: 3.5.33 on 10.0.0.1:2379: Leases end early."],
  ],
];

for (const [what, over, says] of CASES) {
  test(`etcd: ${what}`, () => {
    const findings = etcdFindings([server(over)]).filter(({ level }) => level !== "ok");
    expect(findings.map(({ level, message }) => `${level}: ${message}`)).toEqual(
      says.map((each) => expect.stringMatching(each)),
    );
    for (const { advice } of findings) expect(advice).toMatch(/\.$/);
  });
}

test("etcd: a server that is away is a warning beside the others, a hazard is said once", () => {
  const hazards = [{ hazard: "Old.", advice: "Upgrade." }];
  const findings = etcdFindings([
    server({ hazards }),
    server({ endpoint: "10.0.0.2:2379", leader: false, hazards }),
    { endpoint: "10.0.0.3:2379", error: "connection refused" },
  ]);
  expect(findings.map(({ level, message }) => `${level}: ${message}`)).toEqual([
    "ok: 10.0.0.1:2379 runs 3.5.33, leader, 20.0 MiB on disk, 10.0 MiB in use, quota 2048.0 MiB",
    "ok: 10.0.0.2:2379 runs 3.5.33, follower, 20.0 MiB on disk, 10.0 MiB in use, quota 2048.0 MiB",
    "warning: 10.0.0.3:2379 does not answer: connection refused",
    "warning: 3.5.33 on 10.0.0.1:2379, 10.0.0.2:2379: Old.",
  ]);
});

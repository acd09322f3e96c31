import type { EtcdEndpointStatus, EtcdStore } from "../../store/etcd/index.ts";
import type { EtcdLocation } from "../../store/store-url.ts";
import { error, type Finding, ok, some, warning } from "./finding.ts";

const QUOTA_SHARE = 0.75;
const LOOSE_BYTES_MIN = 256 * 1024 ** 2;

/** Asks every server of the cluster about itself. */
export async function checkEtcd(location: EtcdLocation): Promise<Finding[]> {
  await using store = await openDriver(location);
  return etcdFindings(await store.status());
}

/** Loaded only when it is asked for, as it brings gRPC. */
async function openDriver({
  driver: _,
  namespace: __,
  ...address
}: EtcdLocation): Promise<EtcdStore> {
  const { openEtcdStore } = await import("../../store/etcd/index.ts");
  return openEtcdStore(address);
}

/** What is to be said of a cluster whose servers say this of themselves. */
export function etcdFindings(servers: readonly EtcdEndpointStatus[]): Finding[] {
  const findings = servers.flatMap((server) =>
    server.error === undefined
      ? [...serverFindings(server), ...spaceFindings(server)]
      : [
          warning(
            "etcd",
            `${server.endpoint} does not answer: ${server.error}`,
            "Bring it back; the cluster works while a majority of its members does.",
          ),
        ],
  );
  return [...findings, ...hazardFindings(servers)];
}

type Answered = Extract<EtcdEndpointStatus, { readonly error?: undefined }>;

function serverFindings(server: Answered): Finding[] {
  const { endpoint, version, leader, hasLeader, learner, alarms, errors } = server;
  const { dbSizeBytes, dbSizeInUseBytes } = server;
  if (!hasLeader) {
    const advice = "A majority of the members must run and reach one another.";
    return [error("etcd", `${endpoint} knows no leader: nothing can be written.`, advice)];
  }
  const role = leader ? "leader" : learner ? "learner" : "follower";
  const size = `${megabytes(dbSizeBytes)} on disk, ${megabytes(dbSizeInUseBytes)} in use`;
  const limit = quotaText(server.quota);
  const unexplained = alarms.some((alarm) => alarm !== "NONE") ? [] : errors;
  return [
    ok("etcd", `${endpoint} runs ${version}, ${role}, ${size}, ${limit}`),
    ...unexplained.map((text) =>
      error("etcd", `${endpoint} reports: ${text}`, "See etcd's log of that server."),
    ),
  ];
}

function quotaText({ bytes, source }: Answered["quota"]): string {
  if (bytes === undefined) return "no quota";
  const said = { url: " by the store URL", server: "", assumed: " presumably" }[source];
  return `quota ${megabytes(bytes)}${said}`;
}

function spaceFindings(server: Answered): Finding[] {
  const { endpoint, alarms, dbSizeBytes, dbSizeInUseBytes, quota } = server;
  const findings: Finding[] = [];
  if (alarms.includes("CORRUPT")) {
    const advice = "Stop writing, and restore the member from the others or from a backup.";
    findings.push(error("etcd", `${endpoint} has the alarm CORRUPT.`, advice));
  }
  if (alarms.includes("NOSPACE")) {
    const advice =
      "Outcomes wait in their workers meanwhile. Remove tasks (etask tasks remove works), compact, " +
      "defragment each member, then `etcdctl alarm disarm`; or raise --quota-backend-bytes.";
    findings.push(error("etcd", `${endpoint} has the alarm NOSPACE: it takes no tasks.`, advice));
  } else if (quota.bytes !== undefined && dbSizeBytes > QUOTA_SHARE * quota.bytes) {
    findings.push(nearQuota(server, quota.bytes));
  }
  if (dbSizeBytes > LOOSE_BYTES_MIN && dbSizeInUseBytes < dbSizeBytes / 2) {
    const advice = "Defragment it: `etcdctl defrag`, one member after the other.";
    findings.push(warning("etcd", `More than half of ${endpoint}'s file is free space.`, advice));
  }
  return findings;
}

function nearQuota(server: Answered, quotaBytes: number): Finding {
  const { endpoint, dbSizeBytes, dbSizeInUseBytes, quota } = server;
  const message =
    `${endpoint} has ${megabytes(dbSizeBytes)} on disk, and takes no writes from ` +
    `${megabytes(quotaBytes)} on.`;
  const free = dbSizeInUseBytes < QUOTA_SHARE * dbSizeBytes;
  const advice = free
    ? "Much of the file is free and is used again; `etcdctl defrag` makes it smaller."
    : "Raise --quota-backend-bytes, or keep less: retention, queues' keep, compaction.";
  const unsure = "If its quota is another one, say so in the store URL: ?quota=8GiB.";
  return warning("etcd", message, quota.source === "assumed" ? `${advice} ${unsure}` : advice);
}

/** One finding a hazard, however many servers have it. */
function hazardFindings(servers: readonly EtcdEndpointStatus[]): Finding[] {
  const found = new Map<string, { advice: string; versions: Set<string>; endpoints: string[] }>();
  for (const server of servers) {
    if (server.error !== undefined) continue;
    for (const { hazard, advice } of server.hazards) {
      const entry = found.get(hazard) ?? { advice, versions: new Set(), endpoints: [] };
      found.set(hazard, entry);
      entry.versions.add(server.version);
      entry.endpoints.push(server.endpoint);
    }
  }
  return [...found].map(([hazard, { advice, versions, endpoints }]) =>
    warning("etcd", `${[...versions].join(", ")} on ${some(endpoints)}: ${hazard}`, advice),
  );
}

function megabytes(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}

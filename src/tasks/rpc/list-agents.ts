import { systemClock } from "../../base/clock.ts";
import { type Duration, durationMs } from "../../base/duration.ts";
import { requireKnownKeys } from "../../base/options.ts";
import { Turnstile } from "../../base/turnstile.ts";
import { listAll } from "../../coordination/follower.ts";
import { type EtcdTlsOptions, readTls, type TlsMaterial } from "../../store/etcd/etcd-options.ts";
import type { Store } from "../../store/store.ts";
import { decodeAgent } from "../../task/decode.ts";
import { AGENTS_RANGE, agentOfKey } from "../../task/keyspace.ts";
import type { AgentRecord } from "../../task/records.ts";
import { readOr } from "../../task/task-reader.ts";
import { AgentConnection } from "./agent-connection.ts";

const ASKED_AT_ONCE = 16;

/** A live agent. */
export interface AgentView {
  readonly name: string;
  /** Random, and new after each loss of its lease. */
  readonly incarnation: string;
  /** Where it is called, as `host:port`. */
  readonly address: string;
  readonly tls: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly methods: readonly string[];
  /** The version of etask that it runs. */
  readonly version: string;
  readonly host: string;
  readonly pid: number;
  /** By its own clock. */
  readonly startedAt: Date;
  /** It is about to stop and accepts no more calls. */
  readonly leaving: boolean;
  /** Calls that it runs now; `undefined` when it did not answer. */
  readonly running: number | undefined;
}

/** How to ask agents. */
export interface ListAgentsOptions {
  /** For agents that are called by TLS. */
  readonly tls?: EtcdTlsOptions;
  /** How long an agent has to answer. Default 1 s, from 50 ms to 1 min. */
  readonly within?: Duration;
}

/** Every live agent of a store by name; each is asked how many calls it runs. */
export async function listAgents(
  store: Store,
  options: ListAgentsOptions = {},
): Promise<readonly AgentView[]> {
  requireKnownKeys("listAgents", options, ["tls", "within"]);
  const timeoutMs = durationMs("within", options.within ?? 1_000, 50, 60_000);
  const tls = options.tls && readTls(options.tls);
  const { entries } = await listAll(store, AGENTS_RANGE);
  const turns = new Turnstile(ASKED_AT_ONCE);
  const views = entries.flatMap((entry) => {
    const record = readOr(entry, decodeAgent);
    if (!record) return [];
    const asked = turns.pass(() => runningAt(record, tls, timeoutMs));
    return [asked.then((running) => viewOf(agentOfKey(entry.key), record, running))];
  });
  return Promise.all(views);
}

async function runningAt(
  { address, incarnation, tls }: AgentRecord,
  material: TlsMaterial | undefined,
  timeoutMs: number,
): Promise<number | undefined> {
  using connection = new AgentConnection(address, tls ? (material ?? {}) : undefined);
  const health = await connection.health(systemClock, timeoutMs).catch(() => undefined);
  return health?.incarnation === incarnation ? health.running : undefined;
}

function viewOf(name: string, record: AgentRecord, running: number | undefined): AgentView {
  const { incarnation, address, tls, labels, methods, version, host, pid } = record;
  return {
    ...{ name, incarnation, address, tls, labels, methods, version, host, pid },
    startedAt: new Date(record.startedAt),
    leaving: record.leaving === true,
    running,
  };
}

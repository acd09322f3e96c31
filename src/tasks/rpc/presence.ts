/**
 * Keeps an agent's key `agent/{name}` in the store, on a session: the key is there exactly while
 * the agent is believed alive. It is written when the agent registers and once more when it is
 * about to leave, so that it is given no more calls while those under way go on.
 *
 * The key is created only where there is none, so two live agents never have one name. Whoever
 * finds it taken asks the other at its address: if it answers under that key's incarnation, it
 * lives, and the name is refused at once. Else the other is dead, or on its way out, and its key
 * goes when its lease is over; that is waited for, so an agent that crashed can be started again
 * right away.
 *
 * If the process dies at any step, the lease expires and the key goes.
 */
import { hostname } from "node:os";
import type { LoopWorld } from "../../base/loop.ts";
import { VERSION } from "../../base/version.ts";
import { openSession, type Session } from "../../coordination/session.ts";
import { keyRange } from "../../store/range.ts";
import type { Entry, Store } from "../../store/store.ts";
import { StoreRefusedError } from "../../store/store-errors.ts";
import { decodeAgent } from "../../task/decode.ts";
import { agentKey } from "../../task/keyspace.ts";
import { type AgentRecord, encodeRecord } from "../../task/records.ts";
import { readOr } from "../../task/task-reader.ts";
import { AgentConnection } from "./agent-connection.ts";
import type { ResolvedAgentOptions } from "./agent-options.ts";
import { PROTOCOL } from "./protocol.ts";
import { AgentNameTakenError } from "./rpc-errors.ts";

/** Servers notice late that a lease is over. */
const EXPIRY_LATE_MS = 3_000;
const INCARNATION_BYTES = 8;

/** An agent in the store. */
export interface Presence {
  readonly incarnation: string;
  readonly session: Session;
  /** Says that the agent is about to leave. Fails without harm: then callers are refused by it. */
  leave(): Promise<void>;
}

/**
 * Registers an agent that is called at `address`.
 *
 * @throws AgentNameTakenError (`AGENT_NAME_TAKEN`) when another live agent has the name.
 */
export async function register(
  store: Store,
  options: ResolvedAgentOptions,
  address: string,
): Promise<Presence> {
  const { clock, random, name, leaseTtlMs } = options;
  const key = agentKey(name);
  const record: AgentRecord = {
    incarnation: random.hex(INCARNATION_BYTES),
    address,
    tls: options.tls !== undefined,
    labels: options.labels,
    methods: [...options.methods.keys()],
    protocol: PROTOCOL,
    version: VERSION,
    host: hostname(),
    pid: process.pid,
    startedAt: clock.now(),
    ttlMs: leaseTtlMs,
  };
  await untilFree(store, options, key);
  const session = await open(store, { clock, random }, key, record);
  return {
    incarnation: record.incarnation,
    session,
    leave: async () => {
      await session.put(encodeRecord({ ...record, leaving: true } satisfies AgentRecord));
    },
  };
}

async function open(
  store: Store,
  world: LoopWorld,
  key: string,
  record: AgentRecord,
): Promise<Session> {
  try {
    return await openSession(store, world, {
      key,
      value: encodeRecord(record),
      ttlMs: record.ttlMs,
    });
  } catch (error) {
    // Somebody else was faster.
    const entry = error instanceof StoreRefusedError ? await store.get(key) : undefined;
    throw entry ? nameTaken(entry) : error;
  }
}

/** Waits for the end of an agent of that name which does not answer. */
async function untilFree(
  store: Store,
  { clock, tls }: ResolvedAgentOptions,
  key: string,
): Promise<void> {
  const entry = await store.get(key);
  if (!entry) return;
  const other = readOr(entry, decodeAgent);
  if (other && !other.leaving) {
    using connection = new AgentConnection(other.address, other.tls ? (tls ?? {}) : undefined);
    const health = await connection.health(clock).catch(() => undefined);
    if (health?.incarnation === other.incarnation) throw nameTaken(entry);
  }
  const late = new AbortController();
  const cancel = clock.after((other?.ttlMs ?? 0) + EXPIRY_LATE_MS, () => late.abort());
  try {
    const watched = { after: entry.modRevision, signal: late.signal };
    for await (const { events } of store.watch(keyRange(key), watched)) {
      if (events.at(-1)?.type === "delete") return;
    }
  } finally {
    cancel();
  }
  if (await store.get(key)) throw nameTaken(entry);
}

function nameTaken(entry: Entry): AgentNameTakenError {
  const other = readOr(entry, decodeAgent);
  const who = other
    ? `process ${other.pid} on ${other.host}, called at ${other.address}`
    : "somebody whose record cannot be read";
  return new AgentNameTakenError(
    `The name in ${entry.key} is taken by ${who}. Stop that agent, or give this one its own name.`,
  );
}

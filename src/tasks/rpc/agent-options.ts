import { hostname } from "node:os";
import { type Clock, systemClock } from "../../base/clock.ts";
import { type Duration, durationMs } from "../../base/duration.ts";
import { InvalidOptionsError } from "../../base/errors.ts";
import { requireInteger, requireKnownKeys, requireText, shown } from "../../base/options.ts";
import { type Random, systemRandom } from "../../base/random.ts";
import { isLoopback, readTls, type TlsMaterial } from "../../store/etcd/etcd-options.ts";
import type { Store } from "../../store/store.ts";
import { requireTaskName } from "../../task/names.ts";
import type { AgentMethod } from "./agent-method.ts";

/** How an agent is called by TLS. All are names of files in PEM. */
export interface AgentTlsOptions {
  /** The agent's certificate, and what leads to its authority. */
  readonly cert: string;
  readonly key: string;
  /** The authorities of those who may call; without, everybody may who reaches the agent. */
  readonly ca?: string;
}

/** What {@link serveAgent} takes. */
export interface AgentOptions {
  /** The URL of the store of the workers that call, or that store, which stays open then. */
  readonly store: string | Store;
  /** The agent's own, like the node's. 1 to 100 of letters, digits and `_ . -`. */
  readonly name: string;
  /** What tasks choose agents by, as in `{ zone: "b" }`. Up to 64, of up to 100 characters each. */
  readonly labels?: Readonly<Record<string, string>>;
  /** By name, 1 to 1,000; a name is like that of a task. */
  readonly methods: Readonly<Record<string, AgentMethod>>;
  /** `host:port` to listen on; port 0 takes any that is free. Default `127.0.0.1:0`. */
  readonly address?: string;
  /** The host, or `host:port`, at which workers reach the agent. Default: `address`. */
  readonly advertise?: string;
  readonly tls?: AgentTlsOptions;
  /** Listen for other hosts without TLS, where everybody can then call. Default false. */
  readonly insecure?: boolean;
  /** How long after its death the agent is still believed alive. Default 5 s, 1 s to 10 min. */
  readonly leaseTtl?: Duration;
  /** Calls at once; more are refused, and tried again. Default 1,000, at most 100,000. */
  readonly callsMax?: number;
  /** How long `run()` lets calls go on after a signal to stop. Default 30 s, at most 1 h. */
  readonly drain?: Duration;
  /** Time and chance, for tests. Default: the real ones. */
  readonly clock?: Clock;
  readonly random?: Random;
}

/** A host and a port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** {@link AgentOptions} with every default filled in and every bound checked. */
export interface ResolvedAgentOptions {
  readonly store: string | Store;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly methods: ReadonlyMap<string, AgentMethod>;
  readonly listen: HostPort;
  /** The port is the one that is listened on when it is left out. */
  readonly advertise: { readonly host: string; readonly port: number | undefined };
  readonly tls: TlsMaterial | undefined;
  readonly leaseTtlMs: number;
  readonly callsMax: number;
  readonly drainMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

const OPTIONS = [
  ...["store", "name", "labels", "methods", "address", "advertise", "tls", "insecure"],
  ...["leaseTtl", "callsMax", "drain", "clock", "random"],
];
const LABELS_MAX = 64;
const LABEL_LENGTH_MAX = 100;
const METHODS_MAX = 1_000;
const DRAIN_MS_MAX = 3_600_000;

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed. */
export function resolveAgentOptions(given: AgentOptions): ResolvedAgentOptions {
  requireKnownKeys("serveAgent", given, OPTIONS);
  const listen = requireAddress("address", given.address ?? "127.0.0.1:0");
  const advertise = advertiseOf(given.advertise, listen);
  const tls = given.tls && readServerTls(given.tls);
  if (!tls && !isLoopback(listen.host) && given.insecure !== true) {
    throw new InvalidOptionsError(
      `An agent on ${listen.host} can be called from other hosts: give it tls, or say insecure: ` +
        "true where nobody else reaches it.",
    );
  }
  return {
    store: requireStore(given.store),
    name: requireTaskName(given.name, "the agent's name"),
    labels: requireLabels("labels", given.labels ?? {}),
    methods: requireMethods(given.methods),
    listen,
    advertise,
    tls,
    leaseTtlMs: durationMs("leaseTtl", given.leaseTtl ?? 5_000, 1_000, 600_000),
    callsMax: requireInteger("callsMax", given.callsMax ?? 1_000, 1, 100_000),
    drainMs: drainMsOf(given.drain ?? 30_000),
    clock: given.clock ?? systemClock,
    random: given.random ?? systemRandom,
  };
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) unless it is from 0 to 1 h. */
export function drainMsOf(drain: Duration): number {
  return durationMs("drain", drain, 0, DRAIN_MS_MAX);
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) naming `option` unless they are labels. */
export function requireLabels(option: string, labels: unknown): Readonly<Record<string, string>> {
  if (labels === null || typeof labels !== "object" || Array.isArray(labels)) {
    throw new InvalidOptionsError(
      `${option} must be an object such as { zone: "b" }; got ${shown(labels)}.`,
    );
  }
  const entries = Object.entries(labels);
  if (entries.length > LABELS_MAX) {
    throw new InvalidOptionsError(`${option} has ${entries.length} of at most ${LABELS_MAX}.`);
  }
  for (const [name, value] of entries) {
    requireTaskName(name, `a name in ${option}`);
    requireText(`${option}.${name}`, value, LABEL_LENGTH_MAX);
  }
  return { ...labels };
}

/**
 * Reads `host:port`, with an IPv6 host in brackets.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming `option` when it is something else.
 */
export function requireAddress(option: string, address: unknown): HostPort {
  const [, bracketed, plain, port] = (typeof address === "string" && ADDRESS.exec(address)) || [];
  const host = bracketed ?? plain;
  if (host !== undefined && Number(port) <= 65_535) return { host, port: Number(port) };
  throw new InvalidOptionsError(
    `${option} must be host:port, as in "10.0.0.7:4600" or "[::1]:0"; got ${shown(address)}.`,
  );
}

const ADDRESS = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/[\]]+)):(\d{1,5})$/;

/** `host:port`, with an IPv6 host in brackets. */
export function addressText({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function advertiseOf(
  given: string | undefined,
  listen: HostPort,
): ResolvedAgentOptions["advertise"] {
  if (given !== undefined) {
    requireText("advertise", given, 300);
    // Without a port, it is that of the address.
    if (/^[^\s:/[\]]+$/.test(given)) return { host: given, port: undefined };
    if (/^\[[0-9A-Fa-f:.]+\]$/.test(given)) return { host: given.slice(1, -1), port: undefined };
    return requireAddress("advertise", given);
  }
  if (listen.host !== "0.0.0.0" && listen.host !== "::")
    return { host: listen.host, port: undefined };
  throw new InvalidOptionsError(
    `advertise must say at which host workers reach an agent that listens on ${listen.host}; ` +
      `this host calls itself ${hostname()}.`,
  );
}

function readServerTls(given: AgentTlsOptions): TlsMaterial {
  requireKnownKeys("tls", given, ["ca", "cert", "key"]);
  if (given.cert === undefined || given.key === undefined) {
    throw new InvalidOptionsError("tls of an agent needs cert and key.");
  }
  return readTls(given);
}

function requireStore(store: unknown): string | Store {
  if (typeof store === "string") return store;
  if (typeof (store as Partial<Store> | null)?.commit === "function") return store as Store;
  throw new InvalidOptionsError(
    `store must be a store URL or an open store (see openStore); got ${shown(store)}.`,
  );
}

function requireMethods(methods: unknown): ReadonlyMap<string, AgentMethod> {
  requireKnownKeys("methods", methods as object, Object.keys((methods as object) ?? {}));
  const entries = Object.entries(methods as object);
  if (entries.length < 1 || entries.length > METHODS_MAX) {
    throw new InvalidOptionsError(`methods must have 1 to ${METHODS_MAX}; got ${entries.length}.`);
  }
  for (const [name, serve] of entries) {
    requireTaskName(name, "a method's name");
    if (typeof serve === "function") continue;
    throw new InvalidOptionsError(`methods.${name} must be a function; got ${shown(serve)}.`);
  }
  return new Map(entries);
}

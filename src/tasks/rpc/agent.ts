/**
 * An agent: a process on a node that serves methods to tasks.
 *
 * It listens first and registers then, so whoever finds it can call it. It lives as long as its
 * presence (`presence.ts`) does. When that is lost, because the store could not be reached for too
 * long or took the agent to be dead, callers hear of it from the store at the same time; so the
 * agent tells its handlers to stop, and registers anew as another incarnation.
 *
 * Order of the end after `stop`: no call is let in any more, and the presence says so; calls go on
 * up to `drain`; the rest is told to stop, and given up after {@link OBEY_MS}; the presence goes;
 * the server closes. Dying at any step is the case in which the lease expires.
 */
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { aborted } from "../../base/aborted.ts";
import { createDeferred } from "../../base/deferred.ts";
import type { Duration } from "../../base/duration.ts";
import { InvalidOptionsError } from "../../base/errors.ts";
import { publish } from "../../base/events.ts";
import { runLoop } from "../../base/loop.ts";
import { requireKnownKeys } from "../../base/options.ts";
import { stoppedBySignals } from "../../base/stop-signals.ts";
import { VERSION } from "../../base/version.ts";
import { within } from "../../base/within.ts";
import type { TlsMaterial } from "../../store/etcd/etcd-options.ts";
import { openStore } from "../../store/open-store.ts";
import type { Store } from "../../store/store.ts";
import { ensureSchema } from "../../task/meta.ts";
import {
  type AgentOptions,
  addressText,
  drainMsOf,
  type ResolvedAgentOptions,
  resolveAgentOptions,
} from "./agent-options.ts";
import { CallDesk } from "./call-desk.ts";
import type { CallStream } from "./outbox.ts";
import { type Presence, register } from "./presence.ts";
import {
  AGENT_SERVICE,
  type CancelRequest,
  type HealthResponse,
  MESSAGE_BYTES_MAX,
  PROTOCOL,
} from "./protocol.ts";

/** How long handlers that were told to stop are waited for. */
const OBEY_MS = 5_000;
const CLOSE_MS = 1_000;
/** A store that is away must not keep an agent from stopping. */
const LEAVE_MS = 2_000;

/** See the essay above. Made by {@link serveAgent}. */
export class Agent implements AsyncDisposable {
  readonly name: string;
  /** At which workers call it, as `host:port`. */
  readonly address: string;
  readonly #options: ResolvedAgentOptions;
  readonly #store: Store;
  readonly #server: Server;
  readonly #desk: CallDesk;
  readonly #stop = new AbortController();
  readonly #lives: Promise<void>;
  #presence: Presence;
  #stopped: Promise<void> | undefined;

  /** Use {@link serveAgent}. */
  constructor(
    options: ResolvedAgentOptions,
    parts: { store: Store; server: Server; desk: CallDesk; address: string; presence: Presence },
  ) {
    this.name = options.name;
    this.address = parts.address;
    this.#options = options;
    this.#store = parts.store;
    this.#server = parts.server;
    this.#desk = parts.desk;
    this.#presence = parts.presence;
    this.#lives = this.#live();
  }

  /** Calls whose handler has not ended. */
  get running(): number {
    return this.#desk.running;
  }

  /** Under which the agent is registered now; another one after each loss of its lease. */
  get incarnation(): string {
    return this.#presence.incarnation;
  }

  /**
   * Stops: lets no call in, waits for those under way up to `drain` (default: what the agent was
   * given, else 30 s), tells the rest to stop, leaves. Idempotent: the first call's `drain` counts.
   */
  stop(options: { readonly drain?: Duration } = {}): Promise<void> {
    requireKnownKeys("agent.stop", options, ["drain"]);
    const { drain } = options;
    const drainMs = drain === undefined ? this.#options.drainMs : drainMsOf(drain);
    this.#stopped ??= this.#end(drainMs);
    return this.#stopped;
  }

  /**
   * Resolves when the agent has stopped, which it does at SIGTERM or SIGINT or when `signal`
   * aborts.
   */
  async run(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    requireKnownKeys("agent.run", options, ["signal"]);
    // What it rejects with is thrown below.
    const stop = () => void this.stop().catch(() => {});
    await stoppedBySignals(stop, options.signal, async () => {
      await aborted(this.#stop.signal);
      await this.stop();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #live(): Promise<void> {
    const { clock, random } = this.#options;
    const world = { clock, random };
    const stop = this.#stop.signal;
    this.#opened();
    while (!stop.aborted) {
      const { lost } = this.#presence.session;
      await aborted(AbortSignal.any([lost, stop]));
      if (!lost.aborted) return;
      this.#desk.open = false;
      publish("etask:agent:lease-lost", { agent: this.name, running: this.running });
      this.#desk.abortAll("agent-lease-lost");
      await runLoop("agent", world, stop, async () => {
        this.#presence = await register(this.#store, this.#options, this.address);
        this.#opened();
      });
    }
  }

  #opened(): void {
    const { incarnation } = this.#presence;
    this.#desk.incarnation = incarnation;
    this.#desk.open = !this.#stop.signal.aborted;
    publish("etask:agent:registered", { agent: this.name, incarnation, address: this.address });
  }

  async #end(drainMs: number): Promise<void> {
    const { clock } = this.#options;
    this.#stop.abort();
    this.#desk.open = false;
    await this.#lives;
    if (this.running > 0) {
      const left = this.#presence.leave().catch(() => {});
      await within(left, { ms: LEAVE_MS, clock });
      await within(this.#desk.idle(), { ms: drainMs, clock });
    }
    const abortedCalls = this.running;
    this.#desk.abortAll("stopping");
    await within(this.#desk.idle(), { ms: OBEY_MS, clock });
    this.#desk.refuseAll();
    await this.#presence.session.close();
    const closed = createDeferred<void>();
    this.#server.tryShutdown(() => closed.resolve());
    await within(closed.promise, { ms: CLOSE_MS, clock });
    this.#server.forceShutdown();
    if (typeof this.#options.store === "string") await this.#store.close();
    publish("etask:agent:stopped", { agent: this.name, aborted: abortedCalls });
  }
}

/**
 * Starts an agent, which serves `methods` to the tasks of a store until it is stopped.
 *
 * ```ts
 * await using agent = await serveAgent({
 *   store: "etcds://10.0.0.1:2379/fleet",
 *   name: "node-7",
 *   labels: { zone: "b" },
 *   methods: { "disk.format": async (input: { device: string }, call) => { … } },
 * });
 * await agent.run();
 * ```
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed, or an
 *   address that cannot be listened on.
 * @throws AgentNameTakenError (`AGENT_NAME_TAKEN`) when another live agent has the name. One that
 *   has died keeps it until its lease is over, which is waited for.
 * @throws StoreError when the store cannot be reached or must not be used.
 */
export async function serveAgent(given: AgentOptions): Promise<Agent> {
  const options = resolveAgentOptions(given);
  const { clock, random, methods, callsMax } = options;
  const desk = new CallDesk({ methods, callsMax, clock });
  const server = createServer(desk);
  const address = await listen(server, options);
  let opened: Store | undefined;
  try {
    const { store: named } = options;
    if (typeof named === "string") opened = await openStore(named, { clock, random });
    const store = opened ?? (named as Store);
    await ensureSchema(store, clock);
    const presence = await register(store, options, address);
    return new Agent(options, { store, server, desk, address, presence });
  } catch (error) {
    server.forceShutdown();
    await opened?.close().catch(() => {});
    throw error;
  }
}

function createServer(desk: CallDesk): Server {
  const server = new Server({
    "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
    // Finds a worker that is gone without having closed its connection.
    "grpc.keepalive_time_ms": 10_000,
    "grpc.keepalive_timeout_ms": 20_000,
  });
  server.addService(AGENT_SERVICE as unknown as ServiceDefinition, {
    Call: (stream: CallStream) => desk.admit(stream),
    Cancel: (
      { request }: ServerUnaryCall<CancelRequest, { found: boolean }>,
      answer: sendUnaryData<{ found: boolean }>,
    ) => answer(null, { found: desk.cancel(request) }),
    Health: (
      _call: ServerUnaryCall<object, HealthResponse>,
      answer: sendUnaryData<HealthResponse>,
    ) =>
      answer(null, {
        protocol: PROTOCOL,
        incarnation: desk.incarnation,
        serving: desk.open,
        running: desk.running,
        version: VERSION,
      }),
  });
  return server;
}

/** Listens, and returns the address at which the agent is called. */
async function listen(server: Server, options: ResolvedAgentOptions): Promise<string> {
  const bound = createDeferred<number>();
  const at = addressText(options.listen);
  server.bindAsync(at, serverCredentials(options.tls), (error, port) => {
    if (error === null) bound.resolve(port);
    else {
      const text = `address must be one to listen on; ${at} is not: ${error.message}`;
      bound.reject(new InvalidOptionsError(text, { cause: error }));
    }
  });
  const port = await bound.promise;
  return addressText({ host: options.advertise.host, port: options.advertise.port ?? port });
}

function serverCredentials(tls: TlsMaterial | undefined): ServerCredentials {
  if (tls?.cert === undefined || tls.key === undefined) return ServerCredentials.createInsecure();
  const pair = { private_key: tls.key, cert_chain: tls.cert };
  return ServerCredentials.createSsl(tls.ca ?? null, [pair], tls.ca !== undefined);
}

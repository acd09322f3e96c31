import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import type { EtcdAddress, TlsMaterial } from "./etcd-options.ts";
import { createGrpcTransport } from "./grpc-transport.ts";
import type { Transport } from "./transport.ts";

/**
 * What a connection is for. Each has its own, so that a large page delays neither watch nor lease.
 */
export type Purpose = "kv" | "watch" | "lease";

/** One etcd server with its connections, made when first used. */
export class Endpoint {
  /** `host:port`, as it is shown. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** When a call to it failed last, on the monotonic clock. */
  failedAt: number = Number.NEGATIVE_INFINITY;
  /** Why it must not be used: too dangerous a version, a learner, another cluster. */
  excluded: string | undefined;
  readonly #tls: TlsMaterial | undefined;
  readonly #transports = new Map<Purpose, Transport>();

  constructor({ host, port }: EtcdAddress, tls: TlsMaterial | undefined) {
    this.name = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
    this.host = host;
    this.port = port;
    this.#tls = tls;
  }

  transport(purpose: Purpose): Transport {
    let transport = this.#transports.get(purpose);
    if (transport === undefined) {
      transport = createGrpcTransport(this.name, this.#tls);
      this.#transports.set(purpose, transport);
    }
    return transport;
  }

  /**
   * Gives up a connection that did not answer in time: it may be half-open, and nothing else would
   * find that out while no stream uses it. Calls under way on it are left to end by themselves.
   */
  renew(purpose: Purpose, silent: Transport): void {
    if (this.#transports.get(purpose) !== silent) return;
    this.#transports.delete(purpose);
    silent.close();
  }

  close(): void {
    for (const transport of this.#transports.values()) transport.close();
    this.#transports.clear();
  }
}

/**
 * The servers of the cluster that are known, and which of them each purpose uses now.
 *
 * A purpose stays with its server until a call there fails; then it takes the one that failed
 * longest ago. The first one is drawn by lot, so that many clients spread over the members.
 * Configured servers are kept for ever; those found in the cluster are added after they were
 * inspected.
 */
export class EndpointPool {
  readonly #tls: TlsMaterial | undefined;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #endpoints: Endpoint[];
  readonly #current = new Map<Purpose, Endpoint>();

  constructor(
    addresses: readonly EtcdAddress[],
    tls: TlsMaterial | undefined,
    world: { readonly clock: Clock; readonly random: Random },
  ) {
    this.#tls = tls;
    this.#clock = world.clock;
    this.#random = world.random;
    this.#endpoints = addresses.map((address) => new Endpoint(address, tls));
  }

  /** All servers, also excluded ones. */
  get all(): readonly Endpoint[] {
    return this.#endpoints;
  }

  /** The servers that may be used: all of them, should all be excluded. */
  get usable(): readonly Endpoint[] {
    const usable = this.#endpoints.filter(({ excluded }) => excluded === undefined);
    return usable.length > 0 ? usable : this.#endpoints;
  }

  /** The server to call for `purpose`. */
  current(purpose: Purpose): Endpoint {
    const current = this.#current.get(purpose);
    if (current !== undefined && current.excluded === undefined) return current;
    const { usable } = this;
    const first = Math.floor(this.#random.next() * usable.length);
    let best = usable[first] as Endpoint;
    for (let step = 1; step < usable.length; step += 1) {
      const other = usable[(first + step) % usable.length] as Endpoint;
      if (other.failedAt < best.failedAt) best = other;
    }
    this.#current.set(purpose, best);
    return best;
  }

  /**
   * Notes a failure of `endpoint`: who uses it moves on at the next call. Returns whether anyone
   * did.
   */
  failed(endpoint: Endpoint): boolean {
    endpoint.failedAt = this.#clock.monotonic();
    let used = false;
    for (const [purpose, current] of this.#current) {
      if (current === endpoint) used = this.#current.delete(purpose);
    }
    return used;
  }

  /** A server that is not in the pool yet, or `undefined` when it is. */
  candidate(address: EtcdAddress): Endpoint | undefined {
    const candidate = new Endpoint(address, this.#tls);
    return this.#endpoints.some(({ name }) => name === candidate.name) ? undefined : candidate;
  }

  add(endpoint: Endpoint): void {
    if (this.#endpoints.every(({ name }) => name !== endpoint.name)) this.#endpoints.push(endpoint);
  }

  close(): void {
    for (const endpoint of this.#endpoints) endpoint.close();
  }
}

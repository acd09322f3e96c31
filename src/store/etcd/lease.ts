import { backoffMs } from "../../base/backoff.ts";
import type { Clock } from "../../base/clock.ts";
import { createDeferred, type Deferred } from "../../base/deferred.ts";
import { publish } from "../../base/events.ts";
import type { Random } from "../../base/random.ts";
import type { LeaseId } from "../store.ts";
import { LeaseLostError, StoreClosedError } from "../store-errors.ts";
import type { Caller } from "./caller.ts";
import type { Endpoint, EndpointPool } from "./endpoints.ts";
import {
  decodeLeaseKeepAliveResponse,
  encodeLeaseKeepAliveRequest,
  type LeaseKeepAliveResponse,
} from "./proto/generated/etcd.ts";
import { isTimeout, judge, silence, storeError, wantsToken } from "./status.ts";
import { type Duplex, type Headers, RpcError, type Transport } from "./transport.ts";

const PAUSE_FIRST_MS = 25;
const PAUSE_MAX_MS = 500;

/**
 * # Keeping leases alive
 *
 * etcd has no plain call for it, only a stream: requests go in, answers come out, each with its
 * lease. The stream stays open between calls, on a connection of its own.
 *
 * A call sends one request and waits for the next answer about its lease. When the stream ends, or
 * the answer does not come within the time of one try, the stream is given up, all who wait on it
 * fail, and each of them tries again on a new stream at another server until its budget is used up.
 * Asking twice is harmless.
 *
 * An answer with no time left says that the lease is gone. An answer with time left is no proof
 * that it lives: old servers give one for leases that were revoked already.
 */
export class LeaseKeeper {
  readonly #pool: EndpointPool;
  readonly #caller: Caller;
  readonly #options: LeaseKeeperOptions;
  readonly #closing = new AbortController();
  #stream: KeepAliveStream | undefined;

  constructor(pool: EndpointPool, caller: Caller, options: LeaseKeeperOptions) {
    this.#pool = pool;
    this.#caller = caller;
    this.#options = options;
  }

  /**
   * @throws LeaseLostError (`LEASE_LOST`) when the lease is gone, StoreError when nobody answers.
   */
  async keepAlive(lease: LeaseId): Promise<void> {
    const { clock, operationMs, random } = this.#options;
    const endsAt = clock.monotonic() + operationMs;
    let renewed = false;
    for (let tries = 0; ; tries += 1) {
      if (this.#closing.signal.aborted) throw new StoreClosedError();
      const stream = this.#openStream();
      try {
        const ttl = await stream.ask(lease);
        if (ttl > 0) return;
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        const verdict = judge(error);
        if (wantsToken(verdict.kind) && !renewed) {
          renewed = true;
          await this.#caller.renewToken(stream.headers);
          continue;
        }
        const pauseMs = backoffMs(tries, PAUSE_FIRST_MS, PAUSE_MAX_MS, random);
        const where = `etcd Lease/LeaseKeepAlive at ${stream.endpoint.name}`;
        const repeatable = verdict.kind === "unavailable" || verdict.kind === "tls";
        if (!repeatable || clock.monotonic() + pauseMs >= endsAt) {
          throw storeError(verdict, { where, text: error.text, lease }, error);
        }
        await clock.sleep(pauseMs, this.#closing.signal);
        continue;
      }
      throw new LeaseLostError(lease);
    }
  }

  close(): void {
    this.#closing.abort(new StoreClosedError());
    this.#stream?.fail(new StoreClosedError());
  }

  #openStream(): KeepAliveStream {
    if (this.#stream?.open) return this.#stream;
    const endpoint = this.#pool.current("lease");
    const stream = new KeepAliveStream(endpoint, this.#caller.headers, this.#options, (reason) => {
      const { kind } = judge(reason);
      if (kind !== "unavailable" && kind !== "tls") return;
      if (!this.#pool.failed(endpoint)) return;
      publish("etask:store:reconnecting", {
        endpoint: endpoint.name,
        purpose: "lease",
        reason: reason.text,
      });
    });
    this.#stream = stream;
    return stream;
  }
}

/** Time limits for one call. */
export interface LeaseKeeperOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly operationMs: number;
  readonly tryMs: number;
}

/** One stream and who waits on it. Once ended, it stays ended. */
class KeepAliveStream {
  readonly endpoint: Endpoint;
  readonly headers: Headers;
  readonly #options: LeaseKeeperOptions;
  readonly #onFailed: (reason: RpcError) => void;
  readonly #transport: Transport;
  readonly #duplex: Duplex;
  readonly #waiting = new Map<LeaseId, Set<Deferred<number>>>();
  open = true;

  constructor(
    endpoint: Endpoint,
    headers: Headers,
    options: LeaseKeeperOptions,
    onFailed: (reason: RpcError) => void,
  ) {
    this.endpoint = endpoint;
    this.headers = headers;
    this.#options = options;
    this.#onFailed = onFailed;
    this.#transport = endpoint.transport("lease");
    this.#duplex = this.#transport.duplex({
      method: "Lease/LeaseKeepAlive",
      headers,
      decode: decodeLeaseKeepAliveResponse,
      onMessage: (message) => this.#answer(message),
      onEnd: (reason) => this.fail(reason),
    });
  }

  /**
   * The seconds that the lease has now. @throws RpcError when the stream ends first or is silent.
   */
  async ask(lease: LeaseId): Promise<number> {
    const answer = createDeferred<number>();
    const waiting = this.#waiting.get(lease) ?? new Set();
    this.#waiting.set(lease, waiting.add(answer));
    const cancelTimer = this.#options.clock.after(this.#options.tryMs, () => {
      this.fail(silence(`no answer within ${this.#options.tryMs} ms`));
    });
    this.#duplex.send(encodeLeaseKeepAliveRequest({ id: lease }));
    try {
      return await answer.promise;
    } finally {
      cancelTimer();
    }
  }

  /** Gives the stream up; everybody who waits fails with `reason`. */
  fail(reason: RpcError | StoreClosedError): void {
    if (!this.open) return;
    this.open = false;
    this.#duplex.cancel();
    if (reason instanceof RpcError) {
      if (isTimeout(reason)) this.endpoint.renew("lease", this.#transport);
      this.#onFailed(reason);
    }
    for (const waiting of this.#waiting.values()) {
      for (const answer of waiting) answer.reject(reason);
    }
    this.#waiting.clear();
  }

  #answer({ id, ttl }: LeaseKeepAliveResponse): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    for (const answer of waiting ?? []) answer.resolve(ttl);
  }
}

import { requireInteger } from "../../base/options.ts";
import type { Random } from "../../base/random.ts";
import { checkCommit, LEASE_TTL_MS_MAX, LEASE_TTL_MS_MIN, RANGE_LIMIT_MAX } from "../limits.ts";
import type { Part } from "../part.ts";
import type { KeyRange } from "../range.ts";
import type {
  Entry,
  Lease,
  LeaseId,
  PartResult,
  RangeOptions,
  RangePage,
  Revision,
  Store,
  WatchBatch,
  WatchOptions,
} from "../store.ts";
import { HistoryLostError, LeaseLostError, StoreClosedError, StoreError } from "../store-errors.ts";
import type { StoreUpkeep, StoreUsage } from "../upkeep.ts";
import { Caller } from "./caller.ts";
import { Cluster, type EtcdEndpointStatus } from "./cluster.ts";
import { EndpointPool } from "./endpoints.ts";
import type { ResolvedEtcdOptions } from "./etcd-options.ts";
import { isLeaseId, leasesOf, partResults, rangePage, rangeRequest, txnRequest } from "./kv.ts";
import { LeaseKeeper } from "./lease.ts";
import {
  decodeCompactionResponse,
  decodeLeaseGrantResponse,
  decodeLeaseRevokeResponse,
  decodeRangeResponse,
  decodeTxnResponse,
  encodeCompactionRequest,
  encodeLeaseGrantRequest,
  encodeLeaseRevokeRequest,
  encodeRangeRequest,
  encodeTxnRequest,
} from "./proto/generated/etcd.ts";
import { judge, type VerdictKind } from "./status.ts";
import { RpcError } from "./transport.ts";
import { WatchHub } from "./watch-hub.ts";

/** The key that is read where any key will do. */
const ANY_KEY = "\0";

/**
 * A store on an etcd cluster, 3.4.23 or newer.
 *
 * Each call makes its tries within `operationMs`; see `caller.ts`. A commit whose answer is lost is
 * not sent again: it ends with `applied: "unknown"`.
 */
export class EtcdStore implements Store, StoreUpkeep {
  readonly url: string | undefined;
  readonly #random: Random;
  readonly #pool: EndpointPool;
  readonly #caller: Caller;
  readonly #cluster: Cluster;
  readonly #leases: LeaseKeeper;
  readonly #watches: WatchHub;
  #closing: Promise<void> | undefined;

  private constructor(options: ResolvedEtcdOptions) {
    this.url = options.url;
    this.#random = options.random;
    this.#pool = new EndpointPool(options.endpoints, options.tls, options);
    this.#caller = new Caller(this.#pool, options);
    this.#leases = new LeaseKeeper(this.#pool, this.#caller, options);
    this.#cluster = new Cluster(this.#pool, this.#caller, {
      clock: options.clock,
      discover: options.discover,
      tls: options.tls,
      quotaBytes: options.quotaBytes,
    });
    this.#watches = new WatchHub(this.#pool, this.#caller, {
      clock: options.clock,
      random: options.random,
      tryMs: options.tryMs,
      canRenew: options.credentials !== undefined,
      currentRevision: (key) => this.#currentRevision(key),
    });
  }

  /** Connects, inspects the servers, and makes sure that the cluster answers. @throws StoreError */
  static async open(options: ResolvedEtcdOptions): Promise<EtcdStore> {
    const store = new EtcdStore(options);
    try {
      await store.#caller.renewToken(store.#caller.headers);
      await store.#currentRevision(ANY_KEY).catch((error: unknown) => {
        // Whoever may not read this one key has been let in all the same.
        if (causeOf(error) !== "denied") throw error;
      });
      await store.#cluster.open();
      return store;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  get upkeep(): StoreUpkeep {
    return this;
  }

  async get(key: string): Promise<Entry | undefined> {
    this.#requireOpen();
    // etcd has no empty key and refuses to look for it.
    if (key === "") return undefined;
    const { entries } = await this.#range(encodeRangeRequest({ key }), {});
    return entries[0];
  }

  async range(range: KeyRange, options: RangeOptions = {}): Promise<RangePage> {
    let limit = requireInteger("limit", options.limit ?? RANGE_LIMIT_MAX, 1, RANGE_LIMIT_MAX);
    const asked = options.revision;
    const revision =
      asked === undefined ? 0 : requireInteger("revision", asked, 1, Number.MAX_SAFE_INTEGER);
    for (;;) {
      try {
        return await this.#range(encodeRangeRequest(rangeRequest(range, limit, revision)), options);
      } catch (error) {
        // Many large values: a shorter page says itself that there is more.
        if (limit === 1 || causeOf(error) !== "answer-too-large") throw error;
        limit = Math.ceil(limit / 8);
      }
    }
  }

  async commit(parts: readonly Part[]): Promise<PartResult[]> {
    this.#requireOpen();
    checkCommit(parts);
    return this.#caller.call({
      method: "KV/Txn",
      request: encodeTxnRequest(txnRequest(parts)),
      decode: (bytes) => partResults(parts, decodeTxnResponse(bytes)),
      purpose: "kv",
      repeatable: false,
      lease: leasesOf(parts),
    });
  }

  watch(range: KeyRange, { after, signal }: WatchOptions): AsyncIterable<WatchBatch> {
    const start = requireInteger("after", after, 0, Number.MAX_SAFE_INTEGER - 1);
    return { [Symbol.asyncIterator]: () => this.#watches.watch(range, start, signal) };
  }

  async grant(ttlMs: number): Promise<Lease> {
    const asked = requireInteger("ttlMs", ttlMs, LEASE_TTL_MS_MIN, LEASE_TTL_MS_MAX);
    const seconds = Math.ceil(asked / 1_000);
    const id = this.#newLeaseId();
    try {
      const { ttl } = await this.#caller.call({
        method: "Lease/LeaseGrant",
        request: encodeLeaseGrantRequest({ id, ttl: seconds }),
        decode: decodeLeaseGrantResponse,
        purpose: "lease",
        repeatable: true,
      });
      return { id, ttlMs: ttl * 1_000 };
    } catch (error) {
      // The id is ours alone, so an earlier try has made the lease and its answer was lost.
      if (causeOf(error) === "lease-exists") return { id, ttlMs: seconds * 1_000 };
      throw error;
    }
  }

  async keepAlive(lease: LeaseId): Promise<void> {
    this.#requireOpen();
    if (!isLeaseId(lease)) throw new LeaseLostError(lease);
    await this.#leases.keepAlive(lease);
  }

  async revoke(lease: LeaseId): Promise<void> {
    this.#requireOpen();
    if (!isLeaseId(lease)) return;
    try {
      await this.#caller.call({
        method: "Lease/LeaseRevoke",
        request: encodeLeaseRevokeRequest({ id: lease }),
        decode: decodeLeaseRevokeResponse,
        purpose: "lease",
        repeatable: true,
        lease,
      });
    } catch (error) {
      if (!(error instanceof LeaseLostError)) throw error;
    }
  }

  async compact(revision: Revision): Promise<void> {
    requireInteger("revision", revision, 0, Number.MAX_SAFE_INTEGER);
    try {
      await this.#caller.call({
        method: "KV/Compact",
        request: encodeCompactionRequest({ revision }),
        decode: decodeCompactionResponse,
        purpose: "kv",
        repeatable: true,
      });
    } catch (error) {
      if (!(error instanceof HistoryLostError)) throw error;
    }
  }

  async usage(): Promise<StoreUsage | undefined> {
    this.#requireOpen();
    return this.#cluster.usage();
  }

  /** What each known server says about itself, for a person to read. */
  async status(): Promise<EtcdEndpointStatus[]> {
    this.#requireOpen();
    return this.#cluster.status();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#cluster.close();
    this.#watches.close();
    this.#leases.close();
    await this.#caller.close();
    this.#pool.close();
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw new StoreClosedError();
  }

  #range(request: Uint8Array, options: RangeOptions): Promise<RangePage> {
    return this.#caller.call({
      method: "KV/Range",
      request,
      decode: (bytes) => rangePage(decodeRangeResponse(bytes), options),
      purpose: "kv",
      repeatable: true,
    });
  }

  async #currentRevision(key: string): Promise<Revision> {
    const request = encodeRangeRequest({ key: key === "" ? ANY_KEY : key });
    const { revision } = await this.#range(request, {});
    return revision;
  }

  /** A positive 64-bit number; chosen here, so that asking again for the same lease is harmless. */
  #newLeaseId(): LeaseId {
    const id = String(BigInt.asUintN(63, BigInt(`0x${this.#random.hex(8)}`)));
    return isLeaseId(id) ? id : "1";
  }
}

/** What the server's answer behind an error meant, if a server's answer is behind it. */
function causeOf(error: unknown): VerdictKind | undefined {
  const cause = error instanceof StoreError ? error.cause : undefined;
  return cause instanceof RpcError ? judge(cause).kind : undefined;
}

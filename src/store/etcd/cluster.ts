import type { Clock } from "../../base/clock.ts";
import { publish } from "../../base/events.ts";
import { StoreRefusedError, StoreUnavailableError } from "../store-errors.ts";
import { type StoreUsage, usedShare } from "../upkeep.ts";
import type { Caller } from "./caller.ts";
import type { Endpoint, EndpointPool } from "./endpoints.ts";
import { type EtcdAddress, isLoopback, type TlsMaterial } from "./etcd-options.ts";
import { hazardsOf, refusalOf } from "./hazards.ts";
import {
  type AlarmType,
  decodeAlarmResponse,
  decodeMemberListResponse,
  decodeStatusResponse,
  encodeAlarmRequest,
  encodeMemberListRequest,
  encodeStatusRequest,
  type StatusResponse,
} from "./proto/generated/etcd.ts";
import { type Quota, QuotaReader } from "./quota.ts";
import { judge } from "./status.ts";
import { RpcError } from "./transport.ts";

const REFRESH_MS = 60_000;
const REFRESH_MS_MIN = 5_000;
/** How long opening waits for the other servers after the first one answered. */
const GRACE_MS = 500;

/**
 * # Which servers there are and whether they may be used
 *
 * Each server is *inspected* once it is reached: its version, whether it is a learner, and of which
 * cluster it is. Known hazards of the version are published, once for each server. A configured
 * server with a dangerous version or of another cluster is excluded, at opening it fails the
 * opening.
 *
 * Further servers come from the cluster's member list, every minute and soon after a failure. They
 * are added only when they could be inspected and belong to the same cluster, because advertised
 * addresses are often wrong from where we are (`localhost`, behind NAT). A member list that is
 * refused, as some versions do for users without the root role, is no error: then the configured
 * servers are all.
 *
 * All servers are inspected again whenever the member list is. After a restore from a backup the
 * cluster's id may be another one; the cluster that answers with its member list is then the right
 * one.
 */
export class Cluster {
  readonly #pool: EndpointPool;
  readonly #caller: Caller;
  readonly #clock: Clock;
  readonly #discover: boolean;
  readonly #scheme: string;
  readonly #quotas: QuotaReader;
  readonly #inspected = new Set<Endpoint>();
  #clusterId: string | undefined;
  #closed = false;
  #refreshedAt: number = Number.NEGATIVE_INFINITY;
  #refreshing = false;
  #cancelTimer: () => void = () => {};

  constructor(pool: EndpointPool, caller: Caller, options: ClusterOptions) {
    this.#pool = pool;
    this.#caller = caller;
    this.#clock = options.clock;
    this.#discover = options.discover;
    this.#scheme = options.tls ? "https:" : "http:";
    this.#quotas = new QuotaReader({ ...options, given: options.quotaBytes });
  }

  /**
   * Inspects the configured servers: those that answer within a moment of the first one.
   *
   * @throws StoreRefusedError (`STORE_REFUSED`) when one must not be used.
   */
  async open(): Promise<void> {
    // Not before: an opening that fails would have to wait for a call that nobody asked for.
    this.#caller.onEndpointFailed = () => this.#refreshSoon();
    const inspections = this.#pool.all.map((endpoint) => this.#inspect(endpoint));
    const settled = Promise.allSettled(inspections);
    await Promise.any(inspections).catch(() => {});
    const grace = new AbortController();
    const pause = this.#clock.sleep(GRACE_MS, grace.signal).catch(() => {});
    await Promise.race([settled, pause]);
    grace.abort();
    const refused = this.#pool.all.find(({ excluded }) => excluded !== undefined);
    if (refused) throw new StoreRefusedError(`${refused.name}: ${refused.excluded}.`);
    if (this.#discover) void this.#refresh();
  }

  /** What each server says about itself. */
  status(): Promise<EtcdEndpointStatus[]> {
    return Promise.all(this.#pool.all.map((endpoint) => this.#statusOf(endpoint)));
  }

  /**
   * How full the server is that is nearest to its quota; `undefined` when none has one, or when the
   * user may not ask.
   *
   * @throws StoreUnavailableError (`STORE_UNAVAILABLE`) when no server tells.
   */
  async usage(): Promise<StoreUsage | undefined> {
    const asked = this.#pool.usable.map(async (endpoint) => {
      const { dbSize: fileBytes, dbSizeInUse, dbSizeQuota } = await this.#askStatus(endpoint);
      const { bytes } = await this.#quotas.of(endpoint, dbSizeQuota);
      return bytes && { usedBytes: dbSizeInUse, fileBytes, quotaBytes: bytes };
    });
    const told = await Promise.allSettled(asked);
    const answers = told.filter((each) => each.status === "fulfilled");
    const refusal = told.find((each) => each.status === "rejected");
    if (answers.length === 0) {
      if (refusal?.reason instanceof RpcError && judge(refusal.reason).kind === "denied") return;
      const text = "No etcd server tells how full it is.";
      throw new StoreUnavailableError(text, "no", refusal?.reason);
    }
    const usages = answers.flatMap(({ value }) => value || []);
    return usages.sort((a, b) => usedShare(b) - usedShare(a))[0];
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer();
  }

  async #inspect(endpoint: Endpoint): Promise<void> {
    let status: StatusResponse;
    try {
      status = await this.#askStatus(endpoint);
    } catch (error) {
      // A user may lack the right to ask; that says that the server is there.
      if (error instanceof RpcError && judge(error).kind === "denied") return;
      throw error;
    }
    const { version, isLearner } = status;
    const clusterId = status.header?.clusterId;
    this.#clusterId ??= clusterId;
    endpoint.excluded = refusalOf(version);
    if (clusterId !== this.#clusterId) {
      endpoint.excluded = `it belongs to another cluster (${clusterId}, not ${this.#clusterId})`;
    }
    if (this.#inspected.has(endpoint)) return;
    this.#inspected.add(endpoint);
    for (const each of hazardsOf(version)) {
      publish("etask:store:hazard", { endpoint: endpoint.name, version, ...each });
    }
    // A learner serves nothing yet; it fails each call, so it is left for another try later.
    if (isLearner) this.#pool.failed(endpoint);
  }

  #askStatus(endpoint: Endpoint): Promise<StatusResponse> {
    return this.#caller.callAt(endpoint, {
      method: "Maintenance/Status",
      request: encodeStatusRequest({}),
      decode: decodeStatusResponse,
      purpose: "kv",
      repeatable: true,
    });
  }

  async #refresh(): Promise<void> {
    if (this.#closed || this.#refreshing) return;
    this.#refreshing = true;
    this.#refreshedAt = this.#clock.monotonic();
    try {
      const members = await this.#memberAddresses();
      await Promise.allSettled([
        ...this.#pool.all.map((endpoint) => this.#inspect(endpoint)),
        ...members.map((address) => this.#consider(address)),
      ]);
    } catch {
      // The cluster is away or keeps its list to itself: what is known already goes on.
    }
    this.#refreshing = false;
    this.#cancelTimer();
    if (!this.#closed) {
      this.#cancelTimer = this.#clock.after(REFRESH_MS, () => void this.#refresh());
    }
  }

  #refreshSoon(): void {
    const sinceMs = this.#clock.monotonic() - this.#refreshedAt;
    if (this.#discover && sinceMs >= REFRESH_MS_MIN) void this.#refresh();
  }

  async #memberAddresses(): Promise<EtcdAddress[]> {
    const { header, members } = await this.#caller.call({
      method: "Cluster/MemberList",
      request: encodeMemberListRequest({}),
      decode: decodeMemberListResponse,
      purpose: "kv",
      repeatable: true,
    });
    this.#clusterId = header?.clusterId ?? this.#clusterId;
    const urls = members.flatMap(({ isLearner, clientURLs }) => (isLearner ? [] : clientURLs));
    const local = this.#pool.all.some(({ host }) => isLoopback(host));
    return urls
      .map((url) => memberAddress(url, this.#scheme))
      .filter((address) => address !== undefined)
      .filter(({ host }) => local || !isLoopback(host));
  }

  async #consider(address: EtcdAddress): Promise<void> {
    const candidate = this.#pool.candidate(address);
    if (candidate === undefined) return;
    try {
      await this.#inspect(candidate);
    } catch {
      candidate.close();
      return;
    }
    if (candidate.excluded === undefined && !this.#closed) this.#pool.add(candidate);
    else candidate.close();
  }

  async #statusOf(endpoint: Endpoint): Promise<EtcdEndpointStatus> {
    try {
      const status = await this.#askStatus(endpoint);
      return {
        endpoint: endpoint.name,
        version: status.version,
        dbSizeBytes: status.dbSize,
        dbSizeInUseBytes: status.dbSizeInUse,
        quota: await this.#quotas.of(endpoint, status.dbSizeQuota),
        leader: status.leader !== "0" && status.leader === status.header?.memberId,
        hasLeader: status.leader !== "0",
        learner: status.isLearner,
        revision: status.header?.revision ?? 0,
        raftTerm: status.raftTerm,
        raftIndex: status.raftIndex,
        raftAppliedIndex: status.raftAppliedIndex,
        alarms: await this.#alarms(endpoint, status.header?.memberId),
        errors: status.errors,
        hazards: hazardsOf(status.version),
      };
    } catch (error) {
      return {
        endpoint: endpoint.name,
        error: error instanceof Error ? error.message : String(error),
      };
    }
  }

  async #alarms(endpoint: Endpoint, memberId: string | undefined): Promise<AlarmType[]> {
    try {
      const { alarms } = await this.#caller.callAt(endpoint, {
        method: "Maintenance/Alarm",
        request: encodeAlarmRequest({ action: "GET" }),
        decode: decodeAlarmResponse,
        purpose: "kv",
        repeatable: true,
      });
      return alarms.filter((each) => each.memberId === memberId).map(({ alarm }) => alarm);
    } catch (error) {
      if (error instanceof RpcError && judge(error).kind === "denied") return [];
      throw error;
    }
  }
}

/** How servers are found. */
export interface ClusterOptions {
  readonly clock: Clock;
  readonly discover: boolean;
  readonly tls: TlsMaterial | undefined;
  readonly quotaBytes: number | undefined;
}

/** What one server says about itself, or why it says nothing. */
export type EtcdEndpointStatus =
  | { readonly endpoint: string; readonly error: string }
  | {
      readonly endpoint: string;
      readonly error?: undefined;
      readonly version: string;
      readonly dbSizeBytes: number;
      /** What is left after a defragmentation. */
      readonly dbSizeInUseBytes: number;
      readonly quota: Quota;
      /** Whether it is the leader. */
      readonly leader: boolean;
      /** Whether it knows a leader. */
      readonly hasLeader: boolean;
      readonly learner: boolean;
      readonly revision: number;
      readonly raftTerm: number;
      readonly raftIndex: number;
      readonly raftAppliedIndex: number;
      /** Alarms of this member; empty also when the user may not ask. */
      readonly alarms: readonly ("NONE" | "NOSPACE" | "CORRUPT")[];
      readonly errors: readonly string[];
      readonly hazards: readonly { readonly hazard: string; readonly advice: string }[];
    };

/** The address in a member's client URL, when it is one that we can use. */
function memberAddress(url: string, scheme: string): EtcdAddress | undefined {
  const match = /^(https?:)\/\/(\[[0-9A-Fa-f:.]+\]|[^:/]+):(\d+)\/?$/.exec(url);
  const host = match?.[2]?.replace(/^\[|\]$/g, "");
  if (match?.[1] !== scheme || !host || host === "0.0.0.0" || host === "::") return undefined;
  return { host, port: Number(match[3]) };
}

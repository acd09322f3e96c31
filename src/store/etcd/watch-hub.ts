import { backoffMs } from "../../base/backoff.ts";
import type { Clock } from "../../base/clock.ts";
import { publish } from "../../base/events.ts";
import type { Random } from "../../base/random.ts";
import type { KeyRange } from "../range.ts";
import type { Revision } from "../store.ts";
import { HistoryLostError, StoreClosedError, type StoreError } from "../store-errors.ts";
import type { Caller } from "./caller.ts";
import type { EndpointPool } from "./endpoints.ts";
import { isEmptyRange } from "./kv.ts";
import { judge, judgeCancelReason, storeError, type VerdictKind, wantsToken } from "./status.ts";
import type { Headers, RpcError } from "./transport.ts";
import {
  type WatchEnd,
  type WatchMessage,
  WatchStream,
  type WatchStreamListener,
} from "./watch-stream.ts";
import { Subscription, type SubscriptionOwner } from "./watch-subscription.ts";

const PAUSE_FIRST_MS = 50;
const PAUSE_MAX_MS = 2_000;
const FIRST_FRAME_MS_MAX = 30_000;
/** A server that begins watches only to end them is not asked at the shortest interval again. */
const CREATED_FAILURES_MAX = 2;

/**
 * # All watches of a store
 *
 * They share one stream. States: *idle* (nobody watches, no stream), *streaming*, *pausing* (the
 * stream was lost; the next one is opened after a pause with jitter that grows to 2 s). Whatever
 * ends a stream, each watch goes on from its own position on the next one, so nothing is lost and
 * nothing comes twice.
 *
 * - **A watch is compacted**: its consumer gets `HistoryLostError`. The others go on.
 * - **The token is not accepted** (it expired, or the member restarted): streams keep the token
 *   that they were opened with, so a new token means a new stream for all. Refused again:
 *   `StoreDeniedError`.
 * - **The store was restored from a backup**: another cluster id, or a revision below what was
 *   delivered. A revision that goes back may also be a member that lags, so it is believed only
 *   when a linearizable read says the same. Then: `HistoryLostError`.
 * - **The store is away**: watches wait, for ever. Whoever needs to know makes a call of its own.
 * - **The process dies**: a watch leaves nothing behind at the server but a connection that ends.
 */
export class WatchHub implements SubscriptionOwner {
  readonly #pool: EndpointPool;
  readonly #caller: Caller;
  readonly #options: WatchHubOptions;
  readonly #watches = new Set<Subscription>();
  readonly #listener: WatchStreamListener;
  #stream: WatchStream | undefined;
  /** Set while the next stream is not due yet; aborting it calls the next stream off. */
  #pause: AbortController | undefined;
  #failures = 0;
  #closed = false;

  constructor(pool: EndpointPool, caller: Caller, options: WatchHubOptions) {
    this.#pool = pool;
    this.#caller = caller;
    this.#options = options;
    this.#listener = {
      created: (watch, message) => this.#onCreated(watch, message),
      received: (watch, message) => this.#onReceived(watch, message),
      ended: (watch, end) => this.#onEnded(watch, end),
      closed: (reason) => this.#onStreamClosed(reason),
    };
  }

  watch(range: KeyRange, after: Revision, signal: AbortSignal | undefined): Subscription {
    const watch = new Subscription(range, after, signal, this);
    if (watch.over) return watch;
    if (this.#closed) {
      watch.close(new StoreClosedError());
      return watch;
    }
    this.#watches.add(watch);
    this.#serve(watch);
    return watch;
  }

  drained(watch: Subscription): void {
    watch.paused = false;
    this.#serve(watch);
  }

  left(watch: Subscription): void {
    if (!this.#watches.delete(watch)) return;
    this.#stream?.remove(watch);
    if (this.#watches.size === 0) this.#dropStream();
  }

  close(): void {
    this.#closed = true;
    for (const watch of [...this.#watches]) watch.close(new StoreClosedError());
    this.#dropStream();
  }

  #dropStream(): void {
    this.#stream?.close();
    this.#stream = undefined;
    this.#pause?.abort();
    this.#pause = undefined;
  }

  #serve(watch: Subscription): void {
    if (isEmptyRange(watch.range)) return;
    if (this.#stream !== undefined) this.#stream.add(watch);
    else if (this.#pause === undefined) this.#openStream();
  }

  #openStream(): void {
    const { clock, tryMs } = this.#options;
    const firstFrameMs = Math.min(FIRST_FRAME_MS_MAX, tryMs * 2 ** Math.min(this.#failures, 10));
    const stream = new WatchStream(this.#pool.current("watch"), this.#caller.headers, {
      clock,
      firstFrameMs,
      listener: this.#listener,
    });
    this.#stream = stream;
    for (const watch of this.#watches) {
      watch.feed.interrupt();
      if (!watch.paused && !isEmptyRange(watch.range)) stream.add(watch);
    }
  }

  #onCreated(watch: Subscription, { revision, clusterId }: WatchMessage): void {
    this.#failures = Math.min(this.#failures, CREATED_FAILURES_MAX);
    watch.renewed = false;
    watch.clusterId ??= clusterId;
    if (watch.clusterId !== clusterId) {
      watch.fail(new HistoryLostError("The store is another cluster than before: restored?", 0));
    } else if (revision < watch.feed.position) {
      void this.#checkRestored(watch, watch.feed.position);
    }
  }

  /** A member that lags is no restored store: asks the cluster. */
  async #checkRestored(watch: Subscription, seen: Revision): Promise<void> {
    try {
      const revision = await this.#options.currentRevision(watch.range.start);
      if (revision >= seen) return;
      const message = `The store is at revision ${revision}, below ${seen}: was it restored?`;
      watch.fail(new HistoryLostError(message, 0));
    } catch {
      // The cluster is away: the stream will break, and the next one brings the question up again.
    }
  }

  #onReceived(watch: Subscription, message: WatchMessage): void {
    this.#failures = 0;
    if (message.events.length > 0) watch.feed.accept(message);
    else if (!message.fragment) watch.feed.progress(message.revision);
    if (watch.feed.full) {
      watch.paused = true;
      this.#stream?.remove(watch);
      watch.feed.interrupt();
    }
    watch.ring();
  }

  #onEnded(watch: Subscription, { compactRevision, reason }: WatchEnd): void {
    if (compactRevision > 0) {
      const message =
        `Changes after revision ${watch.feed.position} are lost: everything below ` +
        `${compactRevision} was compacted.`;
      watch.fail(new HistoryLostError(message, compactRevision));
      return;
    }
    const kind = judgeCancelReason(reason);
    if (wantsToken(kind) && this.#options.canRenew && !watch.renewed) {
      watch.renewed = true;
      this.#renewAndReopen();
    } else if (kind !== "unavailable") {
      watch.fail(this.#error(kind, reason));
    } else {
      this.#reopenAfterPause(reason || "the server ended a watch");
    }
  }

  #onStreamClosed(error: RpcError): void {
    const { kind } = judge(error);
    const waiting = [...this.#watches];
    if (wantsToken(kind) && this.#options.canRenew && waiting.some(({ renewed }) => !renewed)) {
      for (const watch of waiting) watch.renewed = true;
      this.#renewAndReopen();
    } else if (wantsToken(kind) || kind === "denied" || kind === "refused") {
      for (const watch of waiting) watch.fail(this.#error(kind, error.text));
    } else {
      this.#reopenAfterPause(error.text);
    }
  }

  #reopenAfterPause(reason: string): void {
    const { clock, random } = this.#options;
    const endpoint = this.#stream?.endpoint;
    if (endpoint !== undefined) {
      this.#pool.failed(endpoint);
      publish("etask:store:reconnecting", { endpoint: endpoint.name, purpose: "watch", reason });
    }
    const pauseMs = backoffMs(this.#failures, PAUSE_FIRST_MS, PAUSE_MAX_MS, random);
    this.#failures += 1;
    this.#reopenAfter((signal) => clock.sleep(pauseMs, signal));
  }

  #renewAndReopen(): void {
    const used: Headers = this.#stream?.headers ?? this.#caller.headers;
    this.#reopenAfter(() => this.#caller.renewToken(used));
  }

  /**
   * Gives the stream up and opens the next one after `work`, unless nobody wants it any more then.
   */
  #reopenAfter(work: (signal: AbortSignal) => Promise<void>): void {
    this.#dropStream();
    const pause = new AbortController();
    this.#pause = pause;
    work(pause.signal).then(
      () => {
        if (pause.signal.aborted) return;
        this.#pause = undefined;
        this.#openStream();
      },
      (error: StoreError) => {
        if (pause.signal.aborted) return;
        if (error.code !== "STORE_DENIED") this.#reopenAfterPause(error.message);
        else for (const watch of [...this.#watches]) watch.fail(error);
      },
    );
  }

  #error(kind: VerdictKind, text: string): StoreError {
    const where = `etcd Watch/Watch at ${this.#stream?.endpoint.name ?? "the cluster"}`;
    return storeError({ kind, applied: "no" }, { where, text });
  }
}

/** What the hub needs beside the calls. */
export interface WatchHubOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly tryMs: number;
  /** Whether there is a user, so that a token can be renewed. */
  readonly canRenew: boolean;
  /** The revision that the cluster has agreed on, found by a read of `key`. */
  readonly currentRevision: (key: string) => Promise<Revision>;
}

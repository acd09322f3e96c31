import type { Clock } from "../../base/clock.ts";
import type { WatchEvent } from "../store.ts";
import type { Endpoint } from "./endpoints.ts";
import { eventOf, rangeBounds } from "./kv.ts";
import {
  decodeWatchResponse,
  encodeWatchRequest,
  type WatchRequest,
} from "./proto/generated/etcd.ts";
import { isTimeout, silence } from "./status.ts";
import type { Duplex, Headers, RpcError, Transport } from "./transport.ts";
import type { Subscription } from "./watch-subscription.ts";

/** Silence after which the server is asked for a sign of life. */
const PROBE_MS = 10_000;
/** Silence after which the stream is given up. */
const SILENCE_MS_MAX = 30_000;

/** A message about one watch. */
export interface WatchMessage {
  readonly revision: number;
  readonly clusterId: string;
  readonly events: readonly WatchEvent[];
  readonly fragment: boolean;
}

/** Why the server ended one watch, or refused to begin it. */
export interface WatchEnd {
  /** Above 0: everything below this revision is compacted. */
  readonly compactRevision: number;
  readonly reason: string;
}

/** Who is told what happens on a stream. */
export interface WatchStreamListener {
  created(watch: Subscription, message: WatchMessage): void;
  received(watch: Subscription, message: WatchMessage): void;
  ended(watch: Subscription, end: WatchEnd): void;
  /**
   * The stream is over, and with it all its watches. Not called after {@link WatchStream.close}.
   */
  closed(reason: RpcError): void;
}

/**
 * # One watch stream, many watches
 *
 * Watches are created one at a time, because a refusal names no watch: it can only belong to the
 * one that is being created. Each goes through *queued*, *creating*, *live*; a watch that is
 * removed while it is created is cancelled as soon as its number is known, and what still comes for
 * a number that was cancelled is dropped.
 *
 * **Watchdog.** A broken connection is found by gRPC's keep-alive within 13 s. A server whose
 * connection lives but whose watches do not is found by silence: after 10 s it is asked for its
 * progress, after 30 s the stream is given up. The answer counts only as a sign of life. Servers
 * before 3.4.25 and 3.5.8 give it out of order with events, so it says nothing about what was
 * delivered; the answers that a server sends by itself, which name the watch, do. The first frame
 * must come within `firstFrameMs`.
 */
export class WatchStream {
  readonly endpoint: Endpoint;
  readonly headers: Headers;
  readonly #clock: Clock;
  readonly #listener: WatchStreamListener;
  readonly #transport: Transport;
  readonly #duplex: Duplex;
  readonly #queued = new Set<Subscription>();
  readonly #live = new Map<number, Subscription>();
  #creating: Subscription | undefined;
  #open = true;
  #heardAt: number;
  #cancelTimer: () => void;

  constructor(endpoint: Endpoint, headers: Headers, options: WatchStreamOptions) {
    this.endpoint = endpoint;
    this.headers = headers;
    this.#clock = options.clock;
    this.#listener = options.listener;
    this.#heardAt = this.#clock.monotonic();
    this.#cancelTimer = this.#clock.after(options.firstFrameMs, () => {
      this.#end(silence(`no frame within ${options.firstFrameMs} ms`));
    });
    this.#transport = endpoint.transport("watch");
    this.#duplex = this.#transport.duplex({
      method: "Watch/Watch",
      headers,
      decode: decodeWatch,
      onMessage: (message) => this.#hear(message),
      onEnd: (reason) => this.#end(reason),
    });
  }

  /** Begins a watch at its feed's position. */
  add(watch: Subscription): void {
    this.#queued.add(watch);
    this.#createNext();
  }

  /** Ends a watch; nothing is told about it any more. */
  remove(watch: Subscription): void {
    this.#queued.delete(watch);
    for (const [watchId, live] of this.#live) if (live === watch) this.#cancel(watchId);
    // One that is being created is found to be unwanted when the answer comes.
  }

  close(): void {
    this.#open = false;
    this.#cancelTimer();
    this.#duplex.cancel();
  }

  #end(reason: RpcError): void {
    if (!this.#open) return;
    this.close();
    if (isTimeout(reason)) this.endpoint.renew("watch", this.#transport);
    this.#listener.closed(reason);
  }

  #createNext(): void {
    if (!this.#open || this.#creating !== undefined) return;
    const [watch] = this.#queued;
    if (watch === undefined) return;
    this.#queued.delete(watch);
    this.#creating = watch;
    this.#send({
      createRequest: {
        ...rangeBounds(watch.range),
        startRevision: watch.feed.position + 1,
        progressNotify: true,
        fragment: true,
      },
    });
  }

  #cancel(watchId: number): void {
    this.#live.delete(watchId);
    this.#send({ cancelRequest: { watchId } });
  }

  #send(request: WatchRequest): void {
    if (this.#open) this.#duplex.send(encodeWatchRequest(request));
  }

  #hear(message: DecodedWatch): void {
    if (!this.#open) return;
    this.#heardAt = this.#clock.monotonic();
    this.#cancelTimer();
    this.#cancelTimer = this.#clock.after(PROBE_MS, () => this.#probe());
    if (message.created) this.#hearCreated(message);
    else if (message.watchId >= 0) this.#hearLive(message);
  }

  #hearCreated(message: DecodedWatch): void {
    const watch = this.#creating;
    this.#creating = undefined;
    const refused = message.canceled || message.watchId < 0;
    if (watch !== undefined && isWanted(watch)) {
      if (refused) {
        this.#listener.ended(watch, message);
      } else {
        this.#live.set(message.watchId, watch);
        this.#listener.created(watch, message);
      }
    } else if (!refused) {
      this.#cancel(message.watchId);
    }
    this.#createNext();
  }

  #hearLive(message: DecodedWatch): void {
    const watch = this.#live.get(message.watchId);
    if (watch === undefined) return;
    if (message.canceled) {
      this.#live.delete(message.watchId);
      this.#listener.ended(watch, message);
    } else {
      this.#listener.received(watch, message);
    }
  }

  #probe(): void {
    const silentMs = this.#clock.monotonic() - this.#heardAt;
    if (silentMs >= SILENCE_MS_MAX) {
      this.#end(silence(`no frame for ${Math.round(silentMs)} ms`));
      return;
    }
    // Without a watch there is nothing to answer for, and newer servers do not.
    if (this.#live.size === 0 && this.#creating === undefined) {
      this.#heardAt = this.#clock.monotonic();
    }
    this.#send({ progressRequest: {} });
    this.#cancelTimer = this.#clock.after(PROBE_MS, () => this.#probe());
  }
}

/** How a stream is watched over, and who is told. */
export interface WatchStreamOptions {
  readonly clock: Clock;
  readonly listener: WatchStreamListener;
  /** Milliseconds within which the server must say something for the first time. */
  readonly firstFrameMs: number;
}

interface DecodedWatch extends WatchMessage, WatchEnd {
  readonly watchId: number;
  readonly created: boolean;
  readonly canceled: boolean;
}

function decodeWatch(bytes: Uint8Array): DecodedWatch {
  const { header, cancelReason, events, ...rest } = decodeWatchResponse(bytes);
  return {
    ...rest,
    revision: header?.revision ?? 0,
    clusterId: header?.clusterId ?? "0",
    reason: cancelReason,
    events: events.map(eventOf),
  };
}

function isWanted(watch: Subscription): boolean {
  return !watch.over && !watch.paused;
}

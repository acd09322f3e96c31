import { Wakeup } from "../../base/wakeup.ts";
import type { KeyRange } from "../range.ts";
import type { Revision, WatchBatch } from "../store.ts";
import type { StoreError } from "../store-errors.ts";
import { WatchFeed } from "./watch-feed.ts";

/** What a subscription asks of the hub that feeds it. */
export interface SubscriptionOwner {
  /** The buffer has room again after it was full. */
  drained(subscription: Subscription): void;
  /** The consumer has left. */
  left(subscription: Subscription): void;
}

/**
 * One watch as its consumer sees it. The hub fills `feed` and rings; the consumer takes.
 *
 * Not a generator, because a generator's `return` waits for a `next` that is under way: a consumer
 * that leaves would have to wait for one more change.
 */
export class Subscription implements AsyncIterableIterator<WatchBatch> {
  readonly range: KeyRange;
  readonly feed: WatchFeed;
  /** The cluster that the watch began with. */
  clusterId: string | undefined;
  /** A new token was fetched for it, and it has not been accepted since. */
  renewed = false;
  /** The buffer was full; the server does not send at present. */
  paused = false;
  readonly #owner: SubscriptionOwner;
  readonly #signal: AbortSignal | undefined;
  readonly #over = new AbortController();
  readonly #news = new Wakeup();
  #failure: StoreError | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    range: KeyRange,
    after: Revision,
    signal: AbortSignal | undefined,
    owner: SubscriptionOwner,
  ) {
    this.range = range;
    this.feed = new WatchFeed(after);
    this.#owner = owner;
    this.#signal = signal;
    if (signal?.aborted) this.#leave();
    else signal?.addEventListener("abort", this.#leave, { once: true });
  }

  get over(): boolean {
    return this.#over.signal.aborted;
  }

  /** Says that the feed has something new. */
  ring(): void {
    this.#news.ring();
  }

  /** Ends the watch: the consumer gets what is in the buffer and then `error`. */
  fail(error: StoreError): void {
    this.#failure ??= error;
    this.#owner.left(this);
    this.ring();
  }

  /** Ends the watch: the consumer gets `error` next. */
  close(error: StoreError): void {
    while (this.feed.take() !== undefined);
    this.fail(error);
  }

  next(): Promise<IteratorResult<WatchBatch>> {
    const result = this.#turn.then(() => this.#pull());
    this.#turn = result.catch(() => {});
    return result;
  }

  async return(): Promise<IteratorResult<WatchBatch>> {
    this.#leave();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #pull(): Promise<IteratorResult<WatchBatch>> {
    while (!this.over) {
      const value = this.feed.take();
      if (value !== undefined) {
        if (this.paused && this.feed.drained && this.#failure === undefined) {
          this.#owner.drained(this);
        }
        return { done: false, value };
      }
      if (this.#failure !== undefined) {
        this.#leave();
        throw this.#failure;
      }
      await this.#news.wait(this.#over.signal);
    }
    return { done: true, value: undefined };
  }

  readonly #leave = (): void => {
    if (this.over) return;
    this.#over.abort();
    this.#signal?.removeEventListener("abort", this.#leave);
    this.#owner.left(this);
  };
}

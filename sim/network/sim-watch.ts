import { createDeferred, type Deferred } from "../../src/base/deferred.ts";
import { inRange, type KeyRange } from "../../src/store/range.ts";
import type { Revision, WatchBatch, WatchOptions } from "../../src/store/store.ts";
import type { Network, OpenWatch, Process } from "./network.ts";

/**
 * One watch: whole revisions in order without gap or repetition, however late and in whatever
 * pieces. It may fall silent for good, as watches of some servers and proxies do.
 */
export class SimWatch implements AsyncIterator<WatchBatch>, OpenWatch {
  readonly #network: Network;
  readonly #process: Process;
  readonly #range: KeyRange;
  readonly #unlisten: () => void;
  readonly #signal: AbortSignal | undefined;
  #position: Revision;
  #asked: Deferred<IteratorResult<WatchBatch>> | undefined;
  #onItsWay = false;
  #silent = false;
  #ended = false;

  constructor(network: Network, process: Process, range: KeyRange, options: WatchOptions) {
    this.#network = network;
    this.#process = process;
    this.#range = range;
    this.#position = options.after;
    this.#signal = options.signal;
    this.#unlisten = network.storage.listen(({ events }) => {
      if (this.#asked && events.some(({ key }) => inRange(range, key))) this.#deliverSoon();
    });
    process.watches.add(this);
    options.signal?.addEventListener("abort", this.end, { once: true });
    if (options.signal?.aborted) this.end();
  }

  next(): Promise<IteratorResult<WatchBatch>> {
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    this.#asked = createDeferred();
    if (this.#network.storage.revision > this.#position) this.#deliverSoon();
    return this.#asked.promise;
  }

  async return(): Promise<IteratorResult<WatchBatch>> {
    this.end();
    return { done: true, value: undefined };
  }

  readonly end = (): void => {
    this.forget();
    this.#asked?.resolve({ done: true, value: undefined });
    this.#asked = undefined;
  };

  forget(): void {
    this.#ended = true;
    this.#unlisten();
    this.#process.watches.delete(this);
    this.#signal?.removeEventListener("abort", this.end);
  }

  #deliverSoon(): void {
    if (this.#onItsWay || this.#silent) return;
    if (this.#network.strikes("watchSilent")) {
      this.#silent = true;
      return;
    }
    this.#onItsWay = true;
    const { scheduler } = this.#network;
    const cutMs = Math.max(0, this.#process.deafUntil - scheduler.now);
    const ms = cutMs + this.#network.delayMs("watchLag");
    const life = this.#process;
    scheduler.after(ms, () => this.#deliver(), { life, what: `watch ${this.#range.start}` });
  }

  #deliver(): void {
    this.#onItsWay = false;
    const asked = this.#asked;
    if (this.#ended || !asked) return;
    if (this.#process.deafUntil > this.#network.scheduler.now) {
      this.#deliverSoon();
      return;
    }
    let batch: WatchBatch | undefined;
    try {
      batch = this.#network.storage.changes(this.#range, this.#position);
    } catch (error) {
      this.#asked = undefined;
      asked.reject(error);
      this.end();
      return;
    }
    const piece = batch && this.#pieceOf(batch);
    if (!piece) return;
    this.#position = piece.revision;
    this.#asked = undefined;
    asked.resolve({ done: false, value: piece });
  }

  /** All of it, or the revisions up to one of them. */
  #pieceOf(batch: WatchBatch): WatchBatch {
    const { chance } = this.#network;
    const { events } = batch;
    if (events.length < 2 || !chance.happens(0.5)) return batch;
    const revision = chance.pick(events).modRevision;
    return { revision, events: events.filter((event) => event.modRevision <= revision) };
  }
}

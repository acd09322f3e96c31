import type { Part } from "../../src/store/part.ts";
import type { KeyRange } from "../../src/store/range.ts";
import type {
  Entry,
  Lease,
  LeaseId,
  PartResult,
  RangeOptions,
  RangePage,
  Store,
  WatchBatch,
  WatchOptions,
} from "../../src/store/store.ts";
import { StoreClosedError } from "../../src/store/store-errors.ts";

/**
 * A store that is closed and opened again before every so many calls. Whoever uses it must not
 * notice: calls under way are finished first, and watches go on where they were.
 */
export class ReopeningStore implements Store {
  readonly url: string | undefined;
  readonly #open: () => Promise<Store>;
  readonly #callsPerOpening: number;
  #current: Promise<Store>;
  #calls = 0;
  #closed = false;

  private constructor(first: Store, open: () => Promise<Store>, callsPerOpening: number) {
    this.url = first.url;
    this.#open = open;
    this.#callsPerOpening = callsPerOpening;
    this.#current = Promise.resolve(first);
  }

  static async open(open: () => Promise<Store>, callsPerOpening: number): Promise<ReopeningStore> {
    return new ReopeningStore(await open(), open, callsPerOpening);
  }

  async get(key: string): Promise<Entry | undefined> {
    return (await this.#next()).get(key);
  }

  async range(range: KeyRange, options?: RangeOptions): Promise<RangePage> {
    return (await this.#next()).range(range, options);
  }

  async commit(parts: readonly Part[]): Promise<PartResult[]> {
    return (await this.#next()).commit(parts);
  }

  async *watch(range: KeyRange, options: WatchOptions): AsyncIterable<WatchBatch> {
    let { after } = options;
    while (options.signal?.aborted !== true) {
      const store = await this.#current;
      try {
        for await (const batch of store.watch(range, { ...options, after })) {
          after = batch.revision;
          yield batch;
          if (this.#closed) throw new StoreClosedError();
        }
      } catch (error) {
        if (this.#closed || !(error instanceof StoreClosedError)) throw error;
      }
    }
  }

  async grant(ttlMs: number): Promise<Lease> {
    return (await this.#next()).grant(ttlMs);
  }

  async keepAlive(lease: LeaseId): Promise<void> {
    return (await this.#next()).keepAlive(lease);
  }

  async revoke(lease: LeaseId): Promise<void> {
    return (await this.#next()).revoke(lease);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await (await this.#current).close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #next(): Promise<Store> {
    this.#calls += 1;
    if (!this.#closed && this.#calls % this.#callsPerOpening === 0) {
      this.#current = this.#current.then(async (store) => {
        await store.close();
        return this.#open();
      });
    }
    return this.#current;
  }
}

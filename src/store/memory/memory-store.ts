import { createDeferred } from "../../base/deferred.ts";
import { requireInteger } from "../../base/options.ts";
import { LEASE_TTL_MS_MAX, LEASE_TTL_MS_MIN } from "../limits.ts";
import type { Part } from "../part.ts";
import { inRange, type KeyRange } from "../range.ts";
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
import { StoreClosedError } from "../store-errors.ts";
import type { MemoryStorage } from "./memory-storage.ts";

/** One client of a {@link MemoryStorage}: the storage's acts as the store's promises. */
export class MemoryStore implements Store {
  readonly url: undefined;
  readonly #storage: MemoryStorage;
  readonly #waiting = new Set<() => void>();
  #closed = false;

  constructor(storage: MemoryStorage) {
    this.#storage = storage;
  }

  async get(key: string): Promise<Entry | undefined> {
    return this.#opened().get(key);
  }

  async range(range: KeyRange, options: RangeOptions = {}): Promise<RangePage> {
    return this.#opened().range(range, options);
  }

  async commit(parts: readonly Part[]): Promise<PartResult[]> {
    return this.#opened().commit(parts);
  }

  async *watch(range: KeyRange, { after, signal }: WatchOptions): AsyncIterable<WatchBatch> {
    let position = requireInteger("after", after, 0, Number.MAX_SAFE_INTEGER);
    while (signal?.aborted !== true) {
      const storage = this.#opened();
      const batch =
        storage.changes(range, position) ?? (await this.#nextChange(range, position, signal));
      if (batch === undefined) continue;
      position = batch.revision;
      if (batch.events.length > 0) yield batch;
    }
  }

  async grant(ttlMs: number): Promise<Lease> {
    const storage = this.#opened();
    return storage.grant(requireInteger("ttlMs", ttlMs, LEASE_TTL_MS_MIN, LEASE_TTL_MS_MAX));
  }

  async keepAlive(lease: LeaseId): Promise<void> {
    this.#opened().keepAlive(lease);
  }

  async revoke(lease: LeaseId): Promise<void> {
    this.#opened().revoke(lease);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const end of this.#waiting) end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #opened(): MemoryStorage {
    if (this.#closed) throw new StoreClosedError();
    return this.#storage;
  }

  /**
   * Waits for the range's next change; `undefined` when the watch or the store ends first. The
   * change is taken as it happens, so a compaction right after it cannot lose it.
   */
  async #nextChange(
    range: KeyRange,
    after: Revision,
    signal: AbortSignal | undefined,
  ): Promise<WatchBatch | undefined> {
    const { promise, resolve } = createDeferred<WatchBatch | undefined>();
    const end = () => resolve(undefined);
    this.#waiting.add(end);
    signal?.addEventListener("abort", end);
    const unlisten = this.#storage.listen(({ revision, events }) => {
      if (revision <= after) return;
      const inside = events.filter(({ key }) => inRange(range, key));
      if (inside.length > 0) resolve({ revision, events: inside });
    });
    try {
      return await promise;
    } finally {
      unlisten();
      this.#waiting.delete(end);
      signal?.removeEventListener("abort", end);
    }
  }
}

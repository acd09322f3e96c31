import type { Part } from "../../../src/store/part.ts";
import type { KeyRange } from "../../../src/store/range.ts";
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
} from "../../../src/store/store.ts";
import { type StoreError, StoreUnavailableError } from "../../../src/store/store-errors.ts";

/** Decides on one commit: an error that it fails with, before it is made or after. */
export type Trouble = (
  parts: readonly Part[],
) => undefined | { readonly at: "before" | "after"; readonly error: StoreError };

/**
 * A store that counts what it is asked, and that a test can take away for a while or make fail.
 * Like a driver, its watches go on by themselves once the store is back.
 */
export class TroubledStore implements Store {
  readonly url: undefined;
  readonly #store: Store;
  readonly commits: (readonly Part[])[] = [];
  readonly reads: string[] = [];
  /** How many entries ranges have returned. */
  entriesRead = 0;
  /** Watches that are open now, by the start of their range. */
  readonly watches: string[] = [];
  /** How many watches were opened in all. */
  watchCount = 0;
  trouble: Trouble | undefined;
  #away = false;
  #late: string | undefined;
  #back: (() => void)[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  /** Whether every call fails, with nothing applied. */
  get away(): boolean {
    return this.#away;
  }

  set away(away: boolean) {
    this.#away = away;
    if (away) return;
    for (const resolve of this.#back.splice(0)) resolve();
  }

  /** Watches of the range that begins so deliver nothing while this is set. */
  get late(): string | undefined {
    return this.#late;
  }

  set late(start: string | undefined) {
    this.#late = start;
    for (const resolve of this.#back.splice(0)) resolve();
  }

  async get(key: string): Promise<Entry | undefined> {
    this.#require();
    this.reads.push(key);
    return this.#store.get(key);
  }

  async range(range: KeyRange, options?: RangeOptions): Promise<RangePage> {
    this.#require();
    this.reads.push(range.start);
    const page = await this.#store.range(range, options);
    this.entriesRead += page.entries.length;
    return page;
  }

  async commit(parts: readonly Part[]): Promise<PartResult[]> {
    this.#require();
    this.commits.push(parts);
    const trouble = this.trouble?.(parts);
    if (trouble?.at === "before") throw trouble.error;
    const results = await this.#store.commit(parts);
    if (trouble?.at === "after") throw trouble.error;
    return results;
  }

  async *watch(range: KeyRange, options: WatchOptions): AsyncIterable<WatchBatch> {
    this.watchCount += 1;
    this.watches.push(range.start);
    try {
      for await (const batch of this.#store.watch(range, options)) {
        while ((this.#away || this.#late === range.start) && !options.signal?.aborted) {
          await this.#comeBack(options.signal);
        }
        if (options.signal?.aborted) return;
        yield batch;
      }
    } finally {
      this.watches.splice(this.watches.indexOf(range.start), 1);
    }
  }

  async grant(ttlMs: number): Promise<Lease> {
    this.#require();
    return this.#store.grant(ttlMs);
  }

  async keepAlive(lease: LeaseId): Promise<void> {
    this.#require();
    return this.#store.keepAlive(lease);
  }

  async revoke(lease: LeaseId): Promise<void> {
    this.#require();
    return this.#store.revoke(lease);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #comeBack(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      this.#back.push(resolve);
      signal?.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  #require(): void {
    if (this.#away) throw new StoreUnavailableError("The store is away.", "no");
  }
}

/** Keys that a commit writes, without what only some versions of a key differ in. */
export function writtenKeys(parts: readonly Part[]): string[] {
  return parts.flatMap(({ writes }) => writes.map(({ key }) => key));
}

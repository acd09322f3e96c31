import { InvalidOptionsError } from "../base/errors.ts";
import { shown } from "../base/options.ts";
import { checkKey } from "./limits.ts";
import type { Part } from "./part.ts";
import type { KeyRange } from "./range.ts";
import type {
  Entry,
  Lease,
  LeaseId,
  PartResult,
  RangeOptions,
  RangePage,
  Store,
  WatchBatch,
  WatchEvent,
  WatchOptions,
} from "./store.ts";
import type { StoreUpkeep } from "./upkeep.ts";

/** Longest namespace, with its last `/`; what is left of `KEY_BYTES_MAX` is for the keys in it. */
export const NAMESPACE_BYTES_MAX = 256;

const PREFIX_PATTERN = /^[\x20-\x7e]*\/$/;

/**
 * The part of `store` whose keys begin with `prefix`, seen without it.
 *
 * Revisions and leases are those of the whole store. Messages of the store's errors name whole
 * keys. `url` is the inner store's: who takes the prefix out of a URL leaves it in the driver's
 * `url`. `upkeep` is about the whole store. Closing closes `store`.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) unless `prefix` is printable ASCII, ends in `/`
 *   and has at most {@link NAMESPACE_BYTES_MAX} characters.
 */
export function createNamespacedStore(store: Store, prefix: string): Store {
  if (prefix.length > NAMESPACE_BYTES_MAX || !PREFIX_PATTERN.test(prefix)) {
    throw new InvalidOptionsError(
      `A namespace must be printable ASCII of at most ${NAMESPACE_BYTES_MAX} characters and end ` +
        `in "/"; got ${shown(prefix)}.`,
    );
  }
  return new NamespacedStore(store, prefix);
}

class NamespacedStore implements Store {
  readonly #store: Store;
  readonly #prefix: string;

  constructor(store: Store, prefix: string) {
    this.#store = store;
    this.#prefix = prefix;
  }

  get url(): string | undefined {
    return this.#store.url;
  }

  get upkeep(): StoreUpkeep | undefined {
    return this.#store.upkeep;
  }

  async get(key: string): Promise<Entry | undefined> {
    const entry = await this.#store.get(this.#prefix + key);
    return entry && this.#inner(entry);
  }

  async range(range: KeyRange, options?: RangeOptions): Promise<RangePage> {
    const page = await this.#store.range(this.#outerRange(range), options);
    return { ...page, entries: page.entries.map((entry) => this.#inner(entry)) };
  }

  async commit(parts: readonly Part[]): Promise<PartResult[]> {
    const results = await this.#store.commit(parts.map((part) => prefixedPart(this.#prefix, part)));
    return results.map((result) => this.#innerResult(result));
  }

  watch(range: KeyRange, options: WatchOptions): AsyncIterable<WatchBatch> {
    const batches = this.#store.watch(this.#outerRange(range), options);
    return mapIterable(batches, ({ revision, events }) => ({
      revision,
      events: events.map((event) => this.#innerEvent(event)),
    }));
  }

  grant(ttlMs: number): Promise<Lease> {
    return this.#store.grant(ttlMs);
  }

  keepAlive(lease: LeaseId): Promise<void> {
    return this.#store.keepAlive(lease);
  }

  revoke(lease: LeaseId): Promise<void> {
    return this.#store.revoke(lease);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // Both ends get the prefix: whatever follows it, the result sorts below the prefix's own end.
  #outerRange({ start, end }: KeyRange): KeyRange {
    return { start: this.#prefix + start, end: this.#prefix + end };
  }

  #inner(entry: Entry): Entry {
    return { ...entry, key: entry.key.slice(this.#prefix.length) };
  }

  #innerResult(result: PartResult): PartResult {
    if (result.reads.length === 0) return result;
    return { ...result, reads: result.reads.map((entry) => entry && this.#inner(entry)) };
  }

  #innerEvent(event: WatchEvent): WatchEvent {
    const key = event.key.slice(this.#prefix.length);
    return event.type === "put"
      ? { ...event, key, entry: { ...event.entry, key } }
      : { ...event, key };
  }
}

function prefixedPart(prefix: string, part: Part): Part {
  const outer = (key: string) => {
    // The store below cannot tell an empty key once it has the prefix.
    checkKey(key);
    return prefix + key;
  };
  const guards = part.guards.map((guard) => ({ ...guard, key: outer(guard.key) }));
  const writes = part.writes.map((write) => ({ ...write, key: outer(write.key) }));
  const { otherwise, witness } = part;
  return {
    guards,
    writes,
    ...(otherwise !== undefined && { otherwise: otherwise.map(outer) }),
    ...(witness !== undefined && { witness: prefix + witness }),
  };
}

/** Not a generator: its `return` would wait for a pending `next`, the store's own need not. */
function mapIterable<In, Out>(
  source: AsyncIterable<In>,
  map: (item: In) => Out,
): AsyncIterable<Out> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = source[Symbol.asyncIterator]();
      const step = (result: IteratorResult<In>): IteratorResult<Out> =>
        result.done ? { done: true, value: undefined } : { done: false, value: map(result.value) };
      return {
        next: async () => step(await iterator.next()),
        return: async () => {
          await iterator.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}

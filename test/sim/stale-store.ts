import { type KeyRange, keyRange } from "../../src/store/range.ts";
import type { Entry, RangeOptions, RangePage, Revision, Store } from "../../src/store/store.ts";

/** A store some of whose reads are old, as those of etcd 3.4 may be. */
export interface StaleStore {
  readonly store: Store;
  /** Reads that begin with `prefix` show the store as of `revision`, until `fresh` is called. */
  stale(prefix: string, revision: Revision): void;
  fresh(): void;
  /** How many old answers there were. */
  readonly staleReads: number;
}

/** Puts old reads between a caller and `inner`. */
export function createStaleStore(inner: Store): StaleStore {
  let prefix = "";
  let revision: Revision | undefined;
  let staleReads = 0;
  const range = (asked: KeyRange, options: RangeOptions = {}): Promise<RangePage> => {
    const old = revision !== undefined && asked.start.startsWith(prefix);
    if (!old || options.revision !== undefined) return inner.range(asked, options);
    staleReads += 1;
    return inner.range(asked, { ...options, revision: revision as Revision });
  };
  const get = async (key: string): Promise<Entry | undefined> =>
    (await range(keyRange(key), { limit: 1 })).entries[0];
  const store: Store = {
    url: inner.url,
    get,
    range,
    commit: (parts) => inner.commit(parts),
    watch: (watched, options) => inner.watch(watched, options),
    grant: (ttlMs) => inner.grant(ttlMs),
    keepAlive: (lease) => inner.keepAlive(lease),
    revoke: (lease) => inner.revoke(lease),
    close: () => inner.close(),
    [Symbol.asyncDispose]: () => inner.close(),
  };
  return {
    store,
    stale: (start, at) => {
      prefix = start;
      revision = at;
    },
    fresh: () => {
      revision = undefined;
    },
    get staleReads() {
      return staleReads;
    },
  };
}

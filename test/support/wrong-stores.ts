import type { Part } from "../../src/store/part.ts";
import type {
  Entry,
  PartResult,
  RangePage,
  Store,
  WatchBatch,
  WatchEvent,
} from "../../src/store/store.ts";

type Change = (store: Store) => Partial<Store>;

/** `store` with some of its methods replaced. */
export function changed(store: Store, change: Change): Store {
  return {
    url: store.url,
    get: (key) => store.get(key),
    range: (range, options) => store.range(range, options),
    commit: (parts) => store.commit(parts),
    watch: (range, options) => store.watch(range, options),
    grant: (ttlMs) => store.grant(ttlMs),
    keepAlive: (lease) => store.keepAlive(lease),
    revoke: (lease) => store.revoke(lease),
    close: () => store.close(),
    [Symbol.asyncDispose]: () => store.close(),
    ...change(store),
  };
}

const onBatches =
  (map: (batch: WatchBatch) => readonly WatchBatch[]): Change =>
  (store) => ({
    async *watch(range, options) {
      for await (const batch of store.watch(range, options)) yield* map(batch);
    },
  });

const onParts =
  (map: (part: Part) => Part): Change =>
  (store) => ({ commit: (parts) => store.commit(parts.map(map)) });

const onResults =
  (map: (result: PartResult) => PartResult): Change =>
  (store) => ({ commit: async (parts) => (await store.commit(parts)).map(map) });

const onPages =
  (map: (page: RangePage) => RangePage): Change =>
  (store) => ({ range: async (range, options) => map(await store.range(range, options)) });

const withoutLease = ({ lease: _, ...entry }: Entry): Entry => entry;

const withEntry = (event: WatchEvent, map: (entry: Entry) => Entry): WatchEvent =>
  event.type === "put" ? { ...event, entry: map(event.entry) } : event;

const dropKind = (kind: string) =>
  onParts((part) => ({ ...part, guards: part.guards.filter(({ is }) => is !== kind) }));

/** Ways to be wrong that the conformance suite must notice. */
export const wrongStores: Readonly<Record<string, Change>> = {
  "takes every absent guard for true": dropKind("absent"),
  "takes every present guard for true": dropKind("present"),
  "takes every unchanged guard for true": dropKind("unchanged"),
  "takes every created guard for true": dropKind("created"),
  "takes unchanged for present": onParts((part) => ({
    ...part,
    guards: part.guards.map((guard) =>
      guard.is === "unchanged" ? { key: guard.key, is: "present" } : guard,
    ),
  })),
  "applies parts at one revision each": (store) => ({
    commit: async (parts) => {
      const results: PartResult[] = [];
      for (const part of parts) results.push(...(await store.commit([part])));
      return results;
    },
  }),
  "applies all parts or none": (store) => ({
    commit: async (parts) => {
      const guards = parts.flatMap((part) => part.guards).slice(0, 32);
      return store.commit(parts.map((part) => ({ ...part, guards })));
    },
  }),
  "checks no limit": (store) => ({
    commit: async (parts) => {
      try {
        return await store.commit(parts);
      } catch (error) {
        if ((error as { code?: string }).code !== "INVALID_COMMIT") throw error;
        return parts.map(() => ({ applied: true, revision: 1, reads: [] }));
      }
    },
  }),
  "reads otherwise after the commit": (store) => ({
    commit: async (parts) => {
      const results = await store.commit(parts);
      const read = (part: Part | undefined) =>
        Promise.all((part?.otherwise ?? []).map((key) => store.get(key)));
      return Promise.all(
        results.map(async (result, index) =>
          result.applied ? result : { ...result, reads: await read(parts[index]) },
        ),
      );
    },
  }),
  "gives reads in another order": onResults((result) => ({
    ...result,
    reads: [...result.reads].reverse(),
  })),
  "gives reads also when applied": onResults((result) =>
    result.applied ? { ...result, reads: [undefined] } : result,
  ),
  "tells a revision one too high when not applied": onResults((result) =>
    result.applied ? result : { ...result, revision: result.revision + 1 },
  ),
  "forgets leases of entries": (store) => ({
    get: async (key) => {
      const entry = await store.get(key);
      return entry && withoutLease(entry);
    },
  }),
  "puts without the lease": onParts((part) => ({
    ...part,
    writes: part.writes.map((write) =>
      write.op === "put" ? { op: "put", key: write.key, value: write.value } : write,
    ),
  })),
  "claims that there is never more": onPages((page) => ({ ...page, more: false })),
  "counts the page": onPages((page) =>
    page.count === undefined ? page : { ...page, count: page.entries.length },
  ),
  "counts always": onPages((page) => ({ ...page, count: page.entries.length })),
  "reads ranges as of now": (store) => ({
    range: (range, { revision: _, ...options } = {}) => store.range(range, options),
  }),
  "answers what it does not have yet": (store) => ({
    range: async (range, options = {}) => {
      const { revision: _, ...now } = options;
      return store.range(range, options).catch(() => store.range(range, now));
    },
  }),
  "gives entries backwards": onPages((page) => ({
    ...page,
    entries: [...page.entries].reverse(),
  })),
  "splits revisions over batches": onBatches(({ revision, events }) =>
    events.length < 2
      ? [{ revision, events }]
      : [
          { revision, events: events.slice(0, 1) },
          { revision, events: events.slice(1) },
        ],
  ),
  "repeats batches": onBatches((batch) => [batch, batch]),
  "drops deletions": onBatches((batch) => [
    { ...batch, events: batch.events.filter(({ type }) => type === "put") },
  ]),
  "delivers events without their version": onBatches((batch) => [
    {
      ...batch,
      events: batch.events.map((event) =>
        withEntry(event, (entry) => ({ ...entry, version: entry.version + 1 })),
      ),
    },
  ]),
  "watches everything": (store) => ({
    watch: (_range, options) => store.watch({ start: "", end: "\x7f" }, options),
  }),
  "starts watches one too early": (store) => ({
    watch: (range, { after, ...options }) => store.watch(range, { ...options, after: after - 1 }),
  }),
  "starts watches one too late": (store) => ({
    watch: (range, { after, ...options }) => store.watch(range, { ...options, after: after + 1 }),
  }),
  "ends a watch quietly when its history is lost": (store) => ({
    async *watch(range, options) {
      try {
        yield* store.watch(range, options);
      } catch (error) {
        if ((error as { code?: string }).code !== "HISTORY_LOST") throw error;
      }
    },
  }),
  "ends a watch quietly when it is closed": (store) => ({
    async *watch(range, options) {
      try {
        yield* store.watch(range, options);
      } catch (error) {
        if ((error as { code?: string }).code !== "STORE_CLOSED") throw error;
      }
    },
  }),
  "rejects a watch that is aborted": (store) => ({
    async *watch(range, options) {
      yield* store.watch(range, options);
      options.signal?.throwIfAborted();
    },
  }),
  "keeps alive what is gone": (store) => ({
    keepAlive: (lease) => store.keepAlive(lease).catch(() => {}),
  }),
  "does not keep alive": () => ({ keepAlive: async () => {} }),
  "grants less than was asked for": (store) => ({
    grant: async (ttlMs) => ({ ...(await store.grant(ttlMs)), ttlMs: ttlMs - 1 }),
  }),
  "does not revoke": () => ({ revoke: async () => {} }),
  "refuses to revoke what is gone": (store) => ({
    revoke: async (lease) => {
      await store.keepAlive(lease);
      await store.revoke(lease);
    },
  }),
  "does not close": () => ({ close: async () => {}, [Symbol.asyncDispose]: async () => {} }),
};

import { systemClock } from "../../src/base/clock.ts";
import type { EtcdOptions } from "../../src/store/etcd/index.ts";
import { type Part, put } from "../../src/store/part.ts";
import { prefixRange } from "../../src/store/range.ts";
import type { Revision, Store, WatchBatch, WatchEvent } from "../../src/store/store.ts";
import { parseStoreUrl } from "../../src/store/store-url.ts";

/** The driver's options for a store URL. */
export function optionsOf(url: string): EtcdOptions {
  const location = parseStoreUrl(url);
  if (location.driver !== "etcd") throw new Error(`${url} is no etcd URL.`);
  const { driver: _, namespace: __, ...address } = location;
  return { ...address, url };
}

/** A part that puts one key without a guard. */
export function putPart(key: string, value: string | Uint8Array = "1"): Part {
  return { guards: [], writes: [put(key, Buffer.from(value))] };
}

/**
 * Puts `count` keys under `prefix`, each at a revision of its own, and returns the revision before.
 */
export async function putMany(store: Store, prefix: string, count: number): Promise<Revision> {
  const { revision } = await store.range(prefixRange(prefix), { limit: 1 });
  for (let done = 0; done < count; done += 50) {
    const batch = Array.from({ length: Math.min(50, count - done) }, (_, index) =>
      store.commit([putPart(`${prefix}${String(done + index).padStart(6, "0")}`)]),
    );
    await Promise.all(batch);
  }
  return revision;
}

/** Takes events until there are `count`, or until `waitMs` pass without one. */
export async function takeEvents(
  batches: AsyncIterable<WatchBatch>,
  count: number,
  waitMs = 20_000,
): Promise<WatchEvent[]> {
  const events: WatchEvent[] = [];
  const iterator = batches[Symbol.asyncIterator]();
  try {
    while (events.length < count) {
      const late = new AbortController();
      const timeout = systemClock.sleep(waitMs, late.signal).then(
        () => undefined,
        () => undefined,
      );
      const next = await Promise.race([iterator.next(), timeout]);
      late.abort();
      if (next === undefined || next.done) break;
      events.push(...next.value.events);
    }
  } finally {
    await iterator.return?.();
  }
  return events;
}

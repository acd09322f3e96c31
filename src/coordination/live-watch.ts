/**
 * A watch that finds out when it is dead.
 *
 * A watch on which nothing arrives may have nothing to tell, or may have been forgotten by the
 * server: servers have had such bugs, and proxies between have them too. So the leading Beat writes
 * a heartbeat key into each range that matters, at a steady pace. Nothing is concluded from silence
 * alone, because there may be no leader: after {@link SILENCE_MS} without a batch the heartbeat key
 * is read. Only when it was written after all that the watch has delivered is the watch dead, and a
 * new one goes on from the last revision delivered, so nothing is missed or repeated. If that
 * revision is compacted, it ends with `HISTORY_LOST` like any other watch. A heartbeat that is just
 * on its way looks the same; the new watch is then superfluous, and harmless.
 *
 * When the store is away the read fails, and is made again after the same time. Whoever consumes
 * the batches never sees the heartbeat itself.
 */
import type { Clock } from "../base/clock.ts";
import { publish } from "../base/events.ts";
import type { KeyRange } from "../store/range.ts";
import type { Revision, Store, WatchBatch } from "../store/store.ts";

/** Three periods of the Beat's heartbeat. */
export const SILENCE_MS = 30_000;

/** Where a live watch begins and what ends it. */
export interface LiveWatchOptions {
  readonly after: Revision;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** The heartbeat key of a range that holds all keys of a prefix. */
export function heartbeatOf({ start }: KeyRange): string {
  return `${start}~`;
}

/**
 * The changes of a range like `Store.watch`, without its heartbeat; some batches are empty then.
 *
 * @throws HistoryLostError (`HISTORY_LOST`), StoreClosedError (`STORE_CLOSED`)
 */
export async function* watchLive(
  store: Store,
  range: KeyRange,
  { after, signal, clock }: LiveWatchOptions,
): AsyncGenerator<WatchBatch, void> {
  const heartbeat = heartbeatOf(range);
  let position = after;
  while (!signal.aborted) {
    const dead = new AbortController();
    const ends = AbortSignal.any([signal, dead.signal]);
    const missed = async () => ((await store.get(heartbeat))?.modRevision ?? 0) > position;
    let cancel = () => {};
    const listen = () => {
      cancel = clock.after(SILENCE_MS, async () => {
        const again = cancel;
        if (await missed().catch(() => false)) dead.abort();
        else if (cancel === again) listen();
      });
    };
    listen();
    try {
      for await (const batch of store.watch(range, { after: position, signal: ends })) {
        cancel();
        cancel = () => {};
        position = batch.revision;
        yield { ...batch, events: batch.events.filter(({ key }) => key !== heartbeat) };
        listen();
      }
    } finally {
      cancel();
      cancel = () => {};
    }
    if (!dead.signal.aborted) return;
    publish("etask:watch:relisted", { range: range.start, reason: "The watch had gone silent." });
  }
}

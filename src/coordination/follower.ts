import type { Clock } from "../base/clock.ts";
import { publish } from "../base/events.ts";
import { afterKey, type KeyRange } from "../store/range.ts";
import type { Entry, Revision, Store, WatchBatch } from "../store/store.ts";
import { HistoryLostError } from "../store/store-errors.ts";
import { heartbeatOf, watchLive } from "./live-watch.ts";

/**
 * Receives a consistent view of a range: everything at one revision, then every change after it.
 */
export interface FollowerSink {
  /** The whole range as of `revision`; replaces what was there. */
  reset(entries: readonly Entry[], revision: Revision): void;
  /** The next changes, gapless. */
  apply(batch: WatchBatch): void;
}

/**
 * Follows a range that is small enough to list: lists it at one revision, then watches from there,
 * so no change falls between. When history is lost it lists again; with a clock, a watch that has
 * died unnoticed is replaced (see `live-watch.ts`). The sink never sees the range's heartbeat. Ends
 * when `signal` aborts; throws what the store throws, after which calling it again starts from a
 * fresh list.
 */
export async function follow(
  store: Store,
  range: KeyRange,
  sink: FollowerSink,
  signal: AbortSignal,
  clock?: Clock,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const { entries, revision } = await listAll(store, range);
      sink.reset(entries, revision);
      for await (const batch of changes(store, range, revision, signal, clock)) sink.apply(batch);
    } catch (error) {
      if (!(error instanceof HistoryLostError)) throw error;
      publish("etask:watch:relisted", { range: range.start, reason: error.message });
    }
  }
}

async function* changes(
  store: Store,
  range: KeyRange,
  after: Revision,
  signal: AbortSignal,
  clock: Clock | undefined,
): AsyncGenerator<WatchBatch, void> {
  if (clock) {
    yield* watchLive(store, range, { after, signal, clock });
    return;
  }
  const heartbeat = heartbeatOf(range);
  for await (const batch of store.watch(range, { after, signal })) {
    yield { ...batch, events: batch.events.filter(({ key }) => key !== heartbeat) };
  }
}

/**
 * Every entry of a range as of one revision, page by page, without the range's heartbeat. For
 * ranges that are known to be small.
 */
export async function listAll(
  store: Store,
  range: KeyRange,
): Promise<{ entries: Entry[]; revision: Revision }> {
  const first = await store.range(range);
  const { revision } = first;
  const entries = [...first.entries];
  let { more } = first;
  while (more) {
    const last = entries.at(-1);
    if (!last) break;
    const page = await store.range({ start: afterKey(last.key), end: range.end }, { revision });
    entries.push(...page.entries);
    more = page.more;
  }
  const heartbeat = heartbeatOf(range);
  return { entries: entries.filter(({ key }) => key !== heartbeat), revision };
}

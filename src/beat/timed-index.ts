/**
 * Looks after an index that is ordered by time: hands out its entries when their time has come.
 *
 * A scan names only what is due by now. Between scans the loop sleeps until the next entry that it
 * knows of is due, at most {@link SCAN_MS}. So that an entry put meanwhile is not late, the near
 * future is watched: entries that are due within {@link NEAR_MS} ring the loop. The watch is opened
 * anew as time goes on, and never covers more than that, so what is due next week costs nothing:
 * no event, no memory, no read.
 *
 * Never early: "now" is this process's wall clock, and an entry is handed out when that has reached
 * its time. A watch that fell silent costs at most the time until the next scan. When the store is
 * away the loop around this one starts it again.
 */
import { type LoopWorld, runLoop } from "../base/loop.ts";
import { Wakeup } from "../base/wakeup.ts";
import { afterKey, type KeyRange, keyRange } from "../store/range.ts";
import type { Entry, Revision, Store } from "../store/store.ts";
import { META_KEY } from "../task/keyspace.ts";

const SCAN_MS = 1_000;
const NEAR_MS = 20_000;
const WATCH_MS = 10_000;
const PAGE = 200;

/** An index ordered by time, and what is to be done when an entry's time has come. */
export interface TimedIndex {
  /** For reports. */
  readonly name: string;
  /** All entries whose time has come at `now`. */
  range(now: number): KeyRange;
  /** The time in a key; `undefined` when the key is none of the index. */
  timeOf(key: string): number | undefined;
  /** Deals with entries whose time has come. What it leaves is handed out again at the next scan. */
  handle(entries: readonly Entry[], now: number): Promise<void>;
}

/** Looks after the index until `signal` aborts; throws what the store throws. */
export async function lookAfter(
  store: Store,
  world: LoopWorld,
  index: TimedIndex,
  signal: AbortSignal,
): Promise<void> {
  const { clock, random } = world;
  const wakeup = new Wakeup();
  let wakeAt = 0;
  const onNear = (time: number) => {
    if (time < wakeAt) wakeup.ring();
  };
  const ended = new AbortController();
  const ends = AbortSignal.any([signal, ended.signal]);
  const watching = runLoop(`${index.name} watch`, world, ends, (until) =>
    watchNear(store, world, index, onNear, until),
  );
  try {
    while (!signal.aborted) {
      const now = clock.now();
      // Whatever comes from here on rings, because the scan may have passed its place.
      wakeAt = Number.MAX_SAFE_INTEGER;
      await scan(store, index, now, signal);
      const next = await nextTime(store, index, now);
      wakeAt = Math.min(
        next ?? Number.MAX_SAFE_INTEGER,
        now + SCAN_MS * (0.75 + random.next() / 2),
      );
      const cancel = clock.after(Math.max(1, wakeAt - clock.now()), () => wakeup.ring());
      await wakeup.wait(signal);
      cancel();
    }
  } finally {
    ended.abort();
    await watching;
  }
}

async function scan(
  store: Store,
  index: TimedIndex,
  now: number,
  signal: AbortSignal,
): Promise<void> {
  const { end } = index.range(now);
  let { start } = index.range(now);
  for (let more = true; more && !signal.aborted; ) {
    const page = await store.range({ start, end }, { limit: PAGE });
    if (page.entries.length > 0) await index.handle(page.entries, now);
    const last = page.entries.at(-1);
    more = page.more && last !== undefined;
    if (last) start = afterKey(last.key);
  }
}

/** The time of the first entry after `now` and before the next scan. */
async function nextTime(store: Store, index: TimedIndex, now: number): Promise<number | undefined> {
  const range = { start: index.range(now).end, end: index.range(now + 2 * SCAN_MS).end };
  const { entries } = await store.range(range, { limit: 1 });
  return entries[0] && index.timeOf(entries[0].key);
}

async function watchNear(
  store: Store,
  { clock }: LoopWorld,
  index: TimedIndex,
  onNear: (time: number) => void,
  signal: AbortSignal,
): Promise<void> {
  let after: Revision = (await store.range(keyRange(META_KEY), { limit: 1 })).revision;
  while (!signal.aborted) {
    const now = clock.now();
    const { start } = index.range(now);
    const { end } = index.range(now + NEAR_MS);
    const round = new AbortController();
    const cancel = clock.after(WATCH_MS, () => round.abort());
    try {
      const options = { after, signal: AbortSignal.any([signal, round.signal]) };
      for await (const batch of store.watch({ start, end }, options)) {
        after = batch.revision;
        for (const event of batch.events) {
          const time = event.type === "put" ? index.timeOf(event.key) : undefined;
          if (time !== undefined) onNear(time);
        }
      }
    } finally {
      cancel();
    }
  }
}

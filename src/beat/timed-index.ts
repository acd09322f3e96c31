/**
 * Looks after an index that is ordered by time: hands out its entries when their time has come.
 *
 * A scan names only what has come due since the one before, because on etcd a read also costs the
 * keys that were deleted from its range. Then the loop sleeps until the next entry that it knows of
 * is due, at most {@link SCAN_MS}. So that an entry put meanwhile is not late, the near future is
 * watched: what is due within {@link NEAR_MS} rings the loop, and what is due already moves the
 * next scan back. The watch is opened anew every {@link WATCH_MS}, from the newest revision, and a
 * scan of everything that is due follows, so nothing is missed at the seam. What is due next week
 * costs nothing: no event, no memory, no read.
 *
 * Never early: "now" is this process's wall clock, and an entry is handed out when that has reached
 * its time. A watch that fell silent costs at most the time until the next scan. When the store is
 * away the loop around this one starts it again, with a scan of everything.
 */

import { type LoopWorld, runLoop } from "../base/loop.ts";
import { Wakeup } from "../base/wakeup.ts";
import { afterKey, type KeyRange } from "../store/range.ts";
import type { Entry, Store } from "../store/store.ts";
import { HistoryLostError } from "../store/store-errors.ts";
import { currentRevision } from "../task/current-revision.ts";

const SCAN_MS = 1_000;
const NEAR_MS = 20_000;
const WATCH_MS = 10_000;
const PAGE = 200;
const NEVER = Number.MAX_SAFE_INTEGER;

/** An index ordered by time, and what is to be done when an entry's time has come. */
export interface TimedIndex {
  /** For reports. */
  readonly name: string;
  /** All entries whose time has come at `now`. */
  range(now: number): KeyRange;
  /** The time in a key; `undefined` when the key is none of the index. */
  timeOf(key: string): number | undefined;
  /**
   * Deals with entries whose time has come. Resolves to whether that is all that can be done about
   * them; if not, they are handed out again at the next scan.
   */
  handle(entries: readonly Entry[], now: number): Promise<boolean>;
}

/** Looks after the index until `signal` aborts; throws what the store throws. */
export async function lookAfter(
  store: Store,
  world: LoopWorld,
  index: TimedIndex,
  signal: AbortSignal,
): Promise<void> {
  const outlook = new Outlook();
  const ended = new AbortController();
  const ends = AbortSignal.any([signal, ended.signal]);
  const watching = runLoop(`${index.name} watch`, world, ends, (until) =>
    watchNear(store, world, index, outlook, until),
  );
  try {
    while (!signal.aborted) await lookOnce(store, world, index, outlook, signal);
  } finally {
    ended.abort();
    await watching;
  }
}

/** What the loop knows of the index: up to where it is done with, and when to look again. */
class Outlook {
  readonly wakeup = new Wakeup();
  /** Entries of earlier times are done with; 0: none is. */
  from = 0;
  /** When the loop wakes by itself. While a scan is under way all that is put wakes it again. */
  wakeAt = NEVER;

  /** Takes note of an entry, or of all from that time on. */
  note(time: number): void {
    this.from = Math.min(this.from, time);
    if (time < this.wakeAt) this.wakeup.ring();
  }
}

async function lookOnce(
  store: Store,
  { clock, random }: LoopWorld,
  index: TimedIndex,
  outlook: Outlook,
  signal: AbortSignal,
): Promise<void> {
  const now = clock.now();
  const { from } = outlook;
  outlook.from = Math.max(from, now + 1);
  outlook.wakeAt = NEVER;
  const done = await scan(store, index, { from, now }, signal);
  if (!done) outlook.from = Math.min(outlook.from, from);
  const next = await nextTime(store, index, now);
  outlook.wakeAt = Math.min(next ?? NEVER, now + SCAN_MS * (0.75 + random.next() / 2));
  const waitMs = Math.max(1, outlook.wakeAt - clock.now());
  const cancel = clock.after(waitMs, () => outlook.wakeup.ring());
  await outlook.wakeup.wait(signal);
  cancel();
}

/** Whether everything that was handed out is dealt with. */
async function scan(
  store: Store,
  index: TimedIndex,
  { from, now }: { readonly from: number; readonly now: number },
  signal: AbortSignal,
): Promise<boolean> {
  // A clock that was set back has nothing new to show.
  if (from > now) return true;
  const { end } = index.range(now);
  let start = from === 0 ? index.range(now).start : index.range(from - 1).end;
  let done = true;
  for (let more = true; more && !signal.aborted; ) {
    const page = await store.range({ start, end }, { limit: PAGE });
    if (page.entries.length > 0) done = (await index.handle(page.entries, now)) && done;
    const last = page.entries.at(-1);
    more = page.more && last !== undefined;
    if (last) start = afterKey(last.key);
  }
  return done;
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
  outlook: Outlook,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const after = await currentRevision(store);
    outlook.note(0);
    const round = new AbortController();
    const cancel = clock.after(WATCH_MS, () => round.abort());
    const options = { after, signal: AbortSignal.any([signal, round.signal]) };
    try {
      for await (const { events } of store.watch(index.range(clock.now() + NEAR_MS), options)) {
        for (const event of events) {
          const time = event.type === "put" ? index.timeOf(event.key) : undefined;
          if (time !== undefined) outlook.note(time);
        }
      }
    } catch (error) {
      if (!(error instanceof HistoryLostError)) throw error;
    } finally {
      cancel();
    }
  }
}

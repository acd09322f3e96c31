import { afterKey, type KeyRange } from "../store/range.ts";
import type { Entry, Revision, Store } from "../store/store.ts";
import { expireBetween, expireRange, expireTime } from "../task/keyspace.ts";

/** One minute, the unit of the keys under `expire/`. */
export const MINUTE_MS = 60_000;

/** The minute that `ms` lies in. */
export function minuteOf(ms: number): number {
  return Math.floor(ms / MINUTE_MS) * MINUTE_MS;
}

/**
 * The entries under `expire/` by minute, from one minute on to before another, page by page.
 *
 * On etcd a read costs its whole interval, whatever its limit, and other writes wait meanwhile. So
 * an interval is one minute where there are entries, and doubles where there are none; only without
 * `fromMs` is the first one everything before `untilMs`. Keys that are not ours are passed over.
 */
export async function* scanExpire(
  store: Store,
  fromMs: number | undefined,
  untilMs: number,
): AsyncGenerator<readonly Entry[], void> {
  let at = fromMs ?? (await firstMinute(store, expireRange(untilMs)));
  for (let stepMs = MINUTE_MS; at !== undefined && at < untilMs; ) {
    const toMs = Math.min(untilMs, at + stepMs);
    const range = expireBetween(at, toMs);
    if (toMs - at > MINUTE_MS) {
      const found = await firstMinute(store, range);
      stepMs = found === undefined ? stepMs * 2 : MINUTE_MS;
      at = found ?? toMs;
      continue;
    }
    let empty = true;
    for await (const entries of pages(store, range)) {
      empty = false;
      yield entries;
    }
    stepMs = empty ? stepMs * 2 : MINUTE_MS;
    at = toMs;
  }
}

async function firstMinute(store: Store, range: KeyRange): Promise<number | undefined> {
  for await (const entries of pages(store, range)) {
    for (const { key } of entries) {
      const minute = expireTime(key);
      if (minute !== undefined) return minute;
    }
  }
  return undefined;
}

/** The entries of a range page by page, each as it is when it is read, or as of a revision. */
export async function* pages(
  store: Store,
  { start, end }: KeyRange,
  revision?: Revision,
): AsyncGenerator<readonly Entry[], void> {
  for (let from = start; ; ) {
    const at = revision === undefined ? {} : { revision };
    const { entries, more } = await store.range({ start: from, end }, at);
    const last = entries.at(-1);
    if (!last) return;
    yield entries;
    if (!more) return;
    from = afterKey(last.key);
  }
}

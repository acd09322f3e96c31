/** When a schedule runs: pure functions from its rhythm to instants. */
import { parseCron } from "./cron.ts";
import { type DstRecord, nextCronTick } from "./cron-ticks.ts";
import { zoneNamed } from "./zone.ts";

/** The instants at which a schedule runs, as data. Milliseconds since the epoch throughout. */
export type RhythmRecord = (
  | { readonly everyMs: number }
  | { readonly cron: string; readonly timeZone: string; readonly dst: DstRecord }
  | { readonly at: number }
) & {
  /** No run before it. An interval counts from it, else from the epoch. */
  readonly startAt?: number;
  /** No run after it. */
  readonly endAt?: number;
};

/** The first instant after `after` at which the rhythm runs; `undefined` when there is none. */
export function nextTick(rhythm: RhythmRecord, after: number): number | undefined {
  const { startAt, endAt } = rhythm;
  const tick = unboundedTick(rhythm, startAt === undefined ? after : Math.max(after, startAt - 1));
  return tick === undefined || (endAt !== undefined && tick > endAt) ? undefined : tick;
}

function unboundedTick(rhythm: RhythmRecord, after: number): number | undefined {
  if ("at" in rhythm) return rhythm.at > after ? rhythm.at : undefined;
  if ("everyMs" in rhythm) {
    const { everyMs, startAt = 0 } = rhythm;
    return startAt + Math.max(0, Math.floor((after - startAt) / everyMs) + 1) * everyMs;
  }
  const { cron, timeZone, dst } = rhythm;
  return nextCronTick(parseCron(cron), zoneNamed(timeZone), dst, after);
}

/** Up to `count` instants after `after`, in order. */
export function nextTicks(rhythm: RhythmRecord, after: number, count: number): number[] {
  const ticks: number[] = [];
  for (let last = after; ticks.length < count; ) {
    const tick = nextTick(rhythm, last);
    if (tick === undefined) break;
    ticks.push(tick);
    last = tick;
  }
  return ticks;
}

/** Up to `count` instants from `from` to before `end`, in order. */
export function ticksFrom(
  rhythm: RhythmRecord,
  from: number,
  end: number,
  count: number,
): number[] {
  return nextTicks(
    { ...rhythm, endAt: Math.min(rhythm.endAt ?? end - 1, end - 1) },
    from - 1,
    count,
  );
}

/**
 * The last instant from `first`, which is one, up to `now`. Found by halving, so that it makes no
 * difference how many there are.
 */
export function lastTickUpTo(rhythm: RhythmRecord, first: number, now: number): number {
  let [tick, high] = [first, now];
  while (tick < high) {
    const middle = Math.floor((tick + high) / 2);
    const next = nextTick(rhythm, middle);
    if (next !== undefined && next <= now) tick = next;
    else if (middle === tick) break;
    else high = middle;
  }
  return tick;
}

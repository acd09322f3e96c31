/**
 * When a cron pattern's wall-clock times come in a time zone.
 *
 * A stretch of constant offset turns wall-clock times into instants one to one. Only where the
 * clock was changed there is something to decide, and all of it concerns the beginning of a
 * stretch:
 *
 * - **put forward**: the wall-clock times between the old and the new time never come. With
 *   `missing: "shift"` a run that falls there comes as long after the change as it would have come
 *   had the clock not been changed, which is its wall-clock time plus the change; with `"skip"` it
 *   does not come. Two runs that fall on one instant are one run.
 * - **put back**: the wall-clock times between the new and the old time come twice. With
 *   `repeated: "first"` the second time does not count, with `"both"` it does.
 *
 * A pattern for every hour, or every n hours, means real time that goes on: it has nothing to
 * shift, and runs in both passes.
 */
import { INSTANT_MS_MAX } from "../base/date.ts";
import type { CronPattern } from "./cron.ts";
import type { Stretch, Zone } from "./zone.ts";

/** What becomes of runs at wall-clock times that a change of the clock removes or repeats. */
export interface DstRecord {
  readonly missing: "shift" | "skip";
  readonly repeated: "first" | "both";
}

/** The first instant after `after` at which the pattern runs. */
export function nextCronTick(
  pattern: CronPattern,
  zone: Zone,
  dst: DstRecord,
  after: number,
): number | undefined {
  for (let from = after + 1; from <= INSTANT_MS_MAX; ) {
    const stretch = zone.stretchAt(from);
    const ticks = [
      plainTick(pattern, stretch, dst, from),
      shiftedTick(pattern, stretch, dst, from),
    ];
    const tick = Math.min(...ticks.map((each) => each ?? Number.POSITIVE_INFINITY));
    if (tick < stretch.end) return tick <= INSTANT_MS_MAX ? tick : undefined;
    from = stretch.end;
  }
  return undefined;
}

function plainTick(pattern: CronPattern, stretch: Stretch, dst: DstRecord, from: number) {
  const { start, offset, before } = stretch;
  const once = dst.repeated === "first" && !pattern.everyHour;
  const firstWall = once ? Math.max(from + offset, start + before) : from + offset;
  const wall = pattern.atOrAfter(firstWall);
  return wall === undefined ? undefined : wall - offset;
}

function shiftedTick(pattern: CronPattern, stretch: Stretch, dst: DstRecord, from: number) {
  const { start, offset, before } = stretch;
  if (before >= offset || from >= start + offset - before) return undefined;
  if (dst.missing === "skip" || pattern.everyHour) return undefined;
  const wall = pattern.atOrAfter(Math.max(from, start) + before);
  return wall === undefined || wall >= start + offset ? undefined : wall - before;
}

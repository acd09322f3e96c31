import type { HostSample } from "../host/host-meter.ts";

/** Between which bounds a worker chooses how many tasks it runs at once. */
export interface ScaleBounds {
  readonly min: number;
  readonly max: number;
}

/** What a host allows: more slots, as many as there are, or fewer. */
export type HostAllows = "more" | "same" | "fewer";

/** What is known of a worker's load at one moment. */
export interface Load {
  /** Milliseconds, by a clock that never goes back. */
  readonly now: number;
  /** The most slots in use since the moment before. */
  readonly used: number;
  /** Tasks wait that could run if there were more slots. */
  readonly wanted: boolean;
  readonly host: HostAllows;
}

/** How many slots there are, and what has to be remembered to decide about the next change. */
export interface Capacity {
  readonly slots: number;
  /** The most in use since then. */
  readonly peak: number;
  readonly peakSince: number;
  /** Since when the host has been too full, or when that last took slots away. */
  readonly fullSince?: number;
}

/** Slots that were not used for so long go. */
export const UNUSED_MS = 30_000;
/** A host that has been too full for so long costs slots. */
export const FULL_MS = 5_000;

const CPU = { more: 0.8, fewer: 0.95 };
const MEMORY_FREE = { more: 0.15, fewer: 0.1 };
const DELAY_MS = { more: 50, fewer: 200 };

/** Judges a host by all that is used of it, by whomever. */
export function hostAllows({ cpuUsed, memoryFree, eventLoopDelayMs }: HostSample): HostAllows {
  const beyond = (which: "more" | "fewer") =>
    cpuUsed > CPU[which] || memoryFree < MEMORY_FREE[which] || eventLoopDelayMs > DELAY_MS[which];
  if (beyond("fewer")) return "fewer";
  return beyond("more") ? "same" : "more";
}

/**
 * The capacity after one more look. It grows by half while slots are wanted and the host allows it,
 * and shrinks by a quarter when the host stays too full, or when that many were not used for half a
 * minute. It never leaves its bounds, and never shrinks below what is used unless the host is full.
 */
export function nextCapacity(
  before: Capacity,
  { now, used, wanted, host }: Load,
  { min, max }: ScaleBounds,
): Capacity {
  const { slots } = before;
  const peak = wanted ? slots : Math.max(before.peak, used);
  if (wanted && host === "more" && slots < max) {
    const more = Math.min(max, slots + Math.ceil(slots / 2));
    return { slots: more, peak: slots, peakSince: now };
  }
  const fewer = Math.max(min, slots - Math.ceil(slots / 4));
  const full = host === "fewer" ? { fullSince: before.fullSince ?? now } : undefined;
  if (full && now - full.fullSince >= FULL_MS) {
    return { slots: fewer, peak: Math.min(peak, fewer), peakSince: now, fullSince: now };
  }
  if (now - before.peakSince < UNUSED_MS) {
    return { slots, peak, peakSince: before.peakSince, ...full };
  }
  return { slots: Math.max(fewer, Math.min(slots, peak)), peak: used, peakSince: now, ...full };
}

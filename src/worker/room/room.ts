/**
 * Whether a host has room for idle tasks, decided from one sample after the other.
 *
 * It has room until two samples in a row are over a limit; one alone may be anything. Then it has
 * none until every reading has stayed under its lower limit for a while. Between the two limits
 * everything stays as it is. So a host that is just about full does not change its mind all the
 * time, and what the worker says of itself changes seldom.
 */
import type { HostSample } from "../host/host-meter.ts";
import type { ResolvedIdleOptions } from "./idle-options.ts";

/** What may stand against idle tasks. */
export type Obstacle = "cpu" | "memory" | "event-loop" | "probe" | "probe-failed";

/** What a user's own probe came to; `undefined` when there is none. */
export type ProbeAnswer = "yes" | "no" | "failed" | undefined;

/** One sample against its limits. */
export interface Judgement {
  /** Over a limit. */
  readonly over: readonly Obstacle[];
  /** Not yet under the lower limit; all that are over are among them. */
  readonly high: readonly Obstacle[];
}

/** What is known after a sample. */
export type RoomState =
  | { readonly idle: true; readonly overs: number }
  /** When each obstacle was met last. */
  | { readonly idle: false; readonly met: ReadonlyMap<Obstacle, number>; readonly calmMs: number };

const OVERS_MAX = 2;
const LOWER = 0.8;

/** The limits that a reading must be under before idle tasks are taken again. */
export function lowerLimits(limits: ResolvedIdleOptions): Omit<ResolvedIdleOptions, "probe"> {
  return {
    // At 1 the user wants it never to stand in the way.
    cpu: limits.cpu === 1 ? 1 : limits.cpu * LOWER,
    memoryFree: Math.min(1, limits.memoryFree / LOWER),
    eventLoopDelayMs: limits.eventLoopDelayMs * LOWER,
  };
}

/** Compares a sample with both limits. */
export function judge(
  sample: HostSample,
  limits: ResolvedIdleOptions,
  probe: ProbeAnswer,
): Judgement {
  const said: Obstacle[] = probe === "no" ? ["probe"] : probe === "failed" ? ["probe-failed"] : [];
  return {
    over: [...beyond(sample, limits), ...said],
    high: [...beyond(sample, lowerLimits(limits)), ...said],
  };
}

function beyond(
  { cpuOthers, memoryFree, eventLoopDelayMs }: HostSample,
  limits: Omit<ResolvedIdleOptions, "probe">,
): Obstacle[] {
  const found: Obstacle[] = [];
  if (cpuOthers > limits.cpu) found.push("cpu");
  if (memoryFree < limits.memoryFree) found.push("memory");
  if (eventLoopDelayMs > limits.eventLoopDelayMs) found.push("event-loop");
  return found;
}

/**
 * The state after one more sample, at `now`; `before` is `undefined` at the first one, which
 * decides alone. `calmMs` is how long it must be calm, should room end now.
 */
export function nextRoom(
  before: RoomState | undefined,
  { over, high }: Judgement,
  now: number,
  calmMs: number,
): RoomState {
  if (before === undefined || before.idle) {
    const overs = over.length === 0 ? 0 : (before?.overs ?? OVERS_MAX - 1) + 1;
    if (overs < OVERS_MAX) return { idle: true, overs };
    return { idle: false, met: metAt(new Map(), over, now), calmMs };
  }
  const still = [...before.met].filter(([, at]) => now - at < before.calmMs);
  const met = metAt(new Map(still), high, now);
  return met.size === 0 ? { idle: true, overs: 0 } : { ...before, met };
}

function metAt(
  met: Map<Obstacle, number>,
  obstacles: readonly Obstacle[],
  now: number,
): ReadonlyMap<Obstacle, number> {
  for (const obstacle of obstacles) met.set(obstacle, now);
  return met;
}

/** What stands against idle tasks now; empty when they may run. */
export function obstaclesOf(state: RoomState): readonly Obstacle[] {
  return state.idle ? [] : [...state.met.keys()];
}

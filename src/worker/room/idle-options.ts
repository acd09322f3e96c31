import { type Duration, durationMs } from "../../base/duration.ts";
import { InvalidOptionsError } from "../../base/errors.ts";
import { requireKnownKeys, shown } from "../../base/options.ts";

/** When a worker's host has room for idle tasks. All of it must hold. */
export interface IdleOptions {
  /**
   * Others use at most this share of the processors that the worker may use, 0 to 1. Default 0.5; 1
   * never stands in the way.
   */
  readonly cpu?: number;
  /** At least this share of the memory that the worker may use is free, 0 to 1. Default 0.1. */
  readonly memoryFree?: number;
  /** This worker's event loop is late by at most so much, 1 ms to 1 min. Default 50 ms. */
  readonly eventLoopDelay?: Duration;
  /**
   * Asked once a second: may idle tasks run, as far as you are concerned? What is not answered
   * within a second, or throws, is a no.
   */
  readonly probe?: () => boolean | Promise<boolean>;
}

/** {@link IdleOptions} with every default filled in and every bound checked. */
export interface ResolvedIdleOptions {
  readonly cpu: number;
  readonly memoryFree: number;
  readonly eventLoopDelayMs: number;
  readonly probe: (() => boolean | Promise<boolean>) | undefined;
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the member that is not allowed. */
export function resolveIdleOptions(given: IdleOptions): ResolvedIdleOptions {
  requireKnownKeys("idle", given, ["cpu", "memoryFree", "eventLoopDelay", "probe"]);
  const { cpu = 0.5, memoryFree = 0.1, eventLoopDelay = 50, probe } = given;
  if (probe !== undefined && typeof probe !== "function") {
    throw new InvalidOptionsError(
      `idle.probe must be a function that answers true or false; got ${shown(probe)}.`,
    );
  }
  return {
    cpu: requireShare("idle.cpu", cpu),
    memoryFree: requireShare("idle.memoryFree", memoryFree),
    eventLoopDelayMs: durationMs("idle.eventLoopDelay", eventLoopDelay, 1, 60_000),
    probe,
  };
}

function requireShare(option: string, value: unknown): number {
  if (typeof value === "number" && value >= 0 && value <= 1) return value;
  throw new InvalidOptionsError(`${option} must be a share from 0 to 1; got ${shown(value)}.`);
}

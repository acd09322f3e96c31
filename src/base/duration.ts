import { InvalidOptionsError } from "./errors.ts";
import { shown } from "./options.ts";

/** Milliseconds, or a number with a unit: `"250ms"`, `"30s"`, `"5m"`, `"2h"`, `"7d"`. */
export type Duration = number | string;

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const PATTERN = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/;

/**
 * Reads a duration as whole milliseconds.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming `option` when it is not a duration or not
 *   in [min, max].
 */
export function durationMs(option: string, given: Duration, min: number, max: number): number {
  const match = typeof given === "string" ? PATTERN.exec(given.trim()) : undefined;
  const ms = match ? Number(match[1]) * (UNIT_MS[match[2] as string] as number) : given;
  if (typeof ms === "number" && ms >= min && ms <= max) return Math.round(ms);
  throw new InvalidOptionsError(
    `${option} must be a duration between ${min} ms and ${max} ms, as a number of milliseconds or ` +
      `text such as "250ms", "30s", "5m", "2h" or "7d"; got ${shown(given)}.`,
  );
}

import { monotonicFactory } from "ulid";
import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

/**
 * Makes ids of 26 characters that sort by time; ids of one source sort in the order they were made.
 */
export type IdSource = () => string;

/**
 * A source of ULIDs (https://github.com/ulid/spec) on an injected clock and randomness.
 * Within one millisecond, or when the clock goes back, the random part counts up instead.
 */
export function createIdSource(clock: Clock, random: Random): IdSource {
  const next = monotonicFactory(() => random.next());
  return () => next(clock.now());
}

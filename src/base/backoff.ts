import type { Random } from "./random.ts";

/**
 * Milliseconds before try `attempt` + 1: doubles from `firstMs` up to `maxMs`, with half of it
 * jitter.
 */
export function backoffMs(attempt: number, firstMs: number, maxMs: number, random: Random): number {
  const full = Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30));
  return full / 2 + (full / 2) * random.next();
}

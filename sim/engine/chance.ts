import { hash } from "../../src/base/hash.ts";
import type { Random } from "../../src/base/random.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";

/** Chance for one purpose: what one part of the simulation draws never shifts another one's. */
export interface Chance extends Random {
  /** A whole number from 0 to below `limit`. */
  below(limit: number): number;
  /** A number from `low` to below `high`. */
  between(low: number, high: number): number;
  /** Whether something of this probability happens. */
  happens(probability: number): boolean;
  /** One of a list that is not empty. */
  pick<T>(from: readonly T[]): T;
}

/** The chance of a seed for the purpose that `stream` names. */
export function chanceFor(seed: number, stream: string): Chance {
  const random = createSeededRandom(hash(`${seed}/${stream}`));
  const below = (limit: number) => Math.floor(random.next() * limit);
  return {
    ...random,
    below,
    between: (low, high) => low + random.next() * (high - low),
    happens: (probability) => random.next() < probability,
    pick: (from) => from[below(from.length)] as (typeof from)[number],
  };
}

import type { Random } from "../base/random.ts";

/** Chance that repeats itself: two sources of one seed give the same numbers. */
export function createSeededRandom(seed: number): Random {
  const next = mulberry32(seed);
  return {
    next,
    hex: (length) => {
      let text = "";
      for (let byte = 0; byte < length; byte++) {
        text += Math.floor(next() * 256)
          .toString(16)
          .padStart(2, "0");
      }
      return text;
    },
  };
}

/**
 * Tommy Ettinger's mulberry32: 32 bits of state, small and good enough for tests.
 * https://gist.github.com/tommyettinger/46a874533244883189143505d203312c
 */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

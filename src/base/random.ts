import { randomFillSync } from "node:crypto";

/**
 * Chance, as everything above `base/` sees it. Injected, so that tests and the simulator own it.
 */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** `length` random bytes as lower-case hexadecimal, so `2 * length` characters. */
  hex(length: number): string;
}

const POOL_BYTES = 4096;
const pool = Buffer.alloc(POOL_BYTES);
let used = POOL_BYTES;

function take(length: number): Buffer {
  if (used + length > POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  used += length;
  return pool.subarray(used - length, used);
}

/** The operating system's randomness, read in blocks because a call for each number is slow. */
export const systemRandom: Random = {
  next: () => take(6).readUIntBE(0, 6) / 2 ** 48,
  hex: (length) => take(length).toString("hex"),
};

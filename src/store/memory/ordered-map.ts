import type { KeyRange } from "../range.ts";

/** A chunk is split in two when it grows beyond this; small enough that an insertion is cheap. */
const CHUNK_KEYS_MAX = 512;

/**
 * A map from text to values whose keys are also kept in order, for ranges.
 *
 * Values sit in a hash map; the order is a list of sorted chunks, found by binary search. An
 * insertion moves at most one chunk's keys, so a hundred thousand keys cost no more than a few.
 */
export class OrderedMap<Value> {
  readonly #values = new Map<string, Value>();
  readonly #chunks: string[][] = [];

  get size(): number {
    return this.#values.size;
  }

  get(key: string): Value | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: Value): void {
    if (!this.#values.has(key)) this.#insert(key);
    this.#values.set(key, value);
  }

  delete(key: string): boolean {
    if (!this.#values.delete(key)) return false;
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at] as string[];
    chunk.splice(lowerBound(chunk, key), 1);
    if (chunk.length === 0) this.#chunks.splice(at, 1);
    return true;
  }

  /** The keys and values of a range, in order. The map must not change during the iteration. */
  *within({ start, end }: KeyRange): Iterable<[key: string, value: Value]> {
    for (let at = this.#chunkOf(start); at < this.#chunks.length; at++) {
      const chunk = this.#chunks[at] as string[];
      for (let index = lowerBound(chunk, start); index < chunk.length; index++) {
        const key = chunk[index] as string;
        if (key >= end) return;
        yield [key, this.#values.get(key) as Value];
      }
    }
  }

  #insert(key: string): void {
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at];
    if (chunk === undefined) {
      this.#chunks.push([key]);
      return;
    }
    chunk.splice(lowerBound(chunk, key), 0, key);
    if (chunk.length > CHUNK_KEYS_MAX) {
      this.#chunks.splice(at + 1, 0, chunk.splice(CHUNK_KEYS_MAX / 2));
    }
  }

  /** The place of the last chunk that begins at or before `key`; the first one when none does. */
  #chunkOf(key: string): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#chunks[middle]?.[0] as string) <= key) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }
}

/** The place of the first key that is not below `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

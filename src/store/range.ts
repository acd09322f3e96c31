/**
 * Keys from `start` (inclusive) to `end` (exclusive), in byte order. An empty `start` is the first
 * key.
 */
export interface KeyRange {
  readonly start: string;
  readonly end: string;
}

/** Sorts after every valid key. */
const LAST = "\x7f";

/** All keys that begin with `prefix`; with an empty prefix, all keys. */
export function prefixRange(prefix: string): KeyRange {
  return { start: prefix, end: prefixEnd(prefix) };
}

/** The range that holds `key` alone. */
export function keyRange(key: string): KeyRange {
  return { start: key, end: afterKey(key) };
}

/** The smallest text that sorts after `key`: where the next page starts. */
export function afterKey(key: string): string {
  return `${key}\0`;
}

/** The first text that sorts after everything that begins with `prefix`. */
export function prefixEnd(prefix: string): string {
  if (prefix === "") return LAST;
  const last = prefix.charCodeAt(prefix.length - 1);
  return prefix.slice(0, -1) + String.fromCharCode(last + 1);
}

/** Whether `key` lies in `range`. */
export function inRange(range: KeyRange, key: string): boolean {
  return key >= range.start && key < range.end;
}

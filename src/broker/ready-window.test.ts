import fc from "fast-check";
import { expect, test } from "vitest";
import type { KeyRange } from "../store/range.ts";
import { ReadyWindow } from "./ready-window.ts";
import type { ReadyEntry } from "./take.ts";

const RANGE: KeyRange = { start: "ready/q/0/", end: "ready/q/00" };
const CAPACITY = 4;
const POSITION = { queue: "q", priority: 5, sequence: "01ARZ3NDEKTSV4RRFFQ69G5FAV" };

const keyOf = (place: number) => `${RANGE.start}${String.fromCharCode(97 + place)}`;

function entryOf(key: string, modRevision: number): ReadyEntry {
  return { key, modRevision, record: { id: key, name: "t" }, position: POSITION, bytes: 0 };
}

function keysOf(window: ReadyWindow): string[] {
  const entries: ReadyEntry[] = [];
  for (let entry = window.takeHead(); entry; entry = window.takeHead()) entries.push(entry);
  for (const entry of entries) window.putBack(entry);
  return entries.map(({ key }) => key);
}

function windowOf(...entries: readonly ReadyEntry[]): ReadyWindow {
  const window = new ReadyWindow(RANGE, CAPACITY);
  window.extend(RANGE.end);
  for (const entry of entries) window.insert(entry);
  return window;
}

test("window: nothing is known before the first scan, and so nothing is wanted", () => {
  const window = new ReadyWindow(RANGE, CAPACITY);
  expect([window.size, window.complete, window.head]).toEqual([0, false, undefined]);
  expect(window.knownBefore).toBe("");
  expect(window.wants(entryOf(keyOf(0), 1))).toBe(false);
});

test("window: what is beyond its range is not its own", () => {
  const window = windowOf();
  expect(window.complete).toBe(true);
  expect(window.knownBefore).toBeUndefined();
  expect(window.wants(entryOf("ready/q/1/a", 1))).toBe(false);
  expect(window.wants(entryOf("ready/p/0/a", 1))).toBe(false);
});

test("window: entries come out in key order, and a full one forgets its end", () => {
  const window = windowOf(...[3, 0, 4, 1, 2].map((place) => entryOf(keyOf(place), 7)));
  expect(keysOf(window)).toEqual([0, 1, 2, 3].map(keyOf));
  expect(window.horizon).toBe(keyOf(4));
  expect(window.knownBefore).toBe("e");
  expect(window.wants(entryOf(keyOf(4), 8))).toBe(false);
});

test("window: the event of an entry that was taken does not bring it back", () => {
  const window = windowOf(entryOf(keyOf(0), 7));
  window.takeHead();
  expect(window.wants(entryOf(keyOf(0), 7))).toBe(false);
});

test("window: a task that comes back to its key is wanted, also if its deletion was not seen", () => {
  const window = windowOf(entryOf(keyOf(0), 7));
  window.takeHead();
  window.restart();
  window.extend(RANGE.end);
  expect(window.wants(entryOf(keyOf(0), 9))).toBe(true);
});

test("window: an echo of the past neither removes nor replaces what is newer", () => {
  const window = windowOf(entryOf(keyOf(0), 9));
  window.remove(keyOf(0), 8);
  window.insert(entryOf(keyOf(0), 7));
  expect(window.head?.modRevision).toBe(9);
  window.remove(keyOf(0), 10);
  expect(window.head).toBeUndefined();
});

test("window: what could not be taken comes back, unless it is newer already", () => {
  const window = windowOf(entryOf(keyOf(0), 7), entryOf(keyOf(1), 7));
  const first = window.takeHead() as ReadyEntry;
  window.putBack(first);
  expect(window.head).toBe(first);
  const again = window.takeHead() as ReadyEntry;
  window.insert(entryOf(keyOf(0), 9));
  window.putBack(again);
  expect(window.head?.modRevision).toBe(9);
  expect(window.size).toBe(2);
});

test("window: what comes back after a restart waits for the scan", () => {
  const window = windowOf(entryOf(keyOf(0), 7));
  const taken = window.takeHead() as ReadyEntry;
  window.restart();
  window.putBack(taken);
  expect(window.size).toBe(0);
  window.extend(RANGE.end);
  expect(window.wants(taken)).toBe(true);
});

/**
 * The whole shard without bounds, and what was taken out of the window but is still in the shard.
 */
class NaiveShard {
  readonly entries = new Map<string, ReadyEntry>();
  readonly taken = new Map<string, number>();
  revision = 0;

  put(place: number): ReadyEntry {
    const entry = entryOf(keyOf(place), ++this.revision);
    this.entries.set(entry.key, entry);
    return entry;
  }

  /** What a window must hold that knows everything before `horizon`. */
  before(horizon: string): ReadyEntry[] {
    return [...this.entries.values()]
      .filter(({ key }) => key < horizon)
      .filter(({ key, modRevision }) => this.taken.get(key) !== modRevision)
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }
}

const place = fc.integer({ min: 0, max: 11 });
const step = fc.oneof(
  fc.record({ kind: fc.constant("put" as const), place }),
  fc.record({ kind: fc.constant("delete" as const), place }),
  fc.record({ kind: fc.constant("scan" as const), place }),
  fc.constant({ kind: "take" as const, place: 0 }),
  fc.constant({ kind: "fail" as const, place: 0 }),
  fc.constant({ kind: "restart" as const, place: 0 }),
);

test("window: it is the head of the shard below its horizon, whatever happens", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const window = new ReadyWindow(RANGE, CAPACITY);
      const shard = new NaiveShard();
      const insert = (entry: ReadyEntry) => {
        if (window.wants(entry)) window.insert(entry);
      };
      for (const { kind, place } of steps) {
        if (kind === "put") insert(shard.put(place));
        else if (kind === "delete" && shard.entries.delete(keyOf(place))) {
          window.remove(keyOf(place), ++shard.revision);
        } else if (kind === "scan") {
          const { horizon } = window;
          const to = place === 11 ? RANGE.end : keyOf(place);
          window.extend(to);
          const found = [...shard.entries.values()].filter(({ key }) => key >= horizon && key < to);
          for (const entry of found) insert(entry);
        } else if (kind === "restart") window.restart();
        else if (kind === "take" || kind === "fail") {
          const entry = window.takeHead();
          if (entry && kind === "take") shard.taken.set(entry.key, entry.modRevision);
          if (entry && kind === "fail") window.putBack(entry);
        }
        expect(window.size).toBeLessThanOrEqual(CAPACITY);
        expect(window.head).toEqual(shard.before(window.horizon)[0]);
        expect(window.size).toBe(shard.before(window.horizon).length);
      }
    }),
    { numRuns: 500 },
  );
});

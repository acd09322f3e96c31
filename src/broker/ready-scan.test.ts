import fc from "fast-check";
import { expect, test } from "vitest";
import { createMemoryStorage } from "../store/memory/index.ts";
import { put } from "../store/part.ts";
import { prefixRange } from "../store/range.ts";
import type { Store } from "../store/store.ts";
import { idlePrefix, SEQUENCE_LENGTH, sequenceFloor, shardPrefix } from "../task/keyspace.ts";
import { ReadyScan } from "./ready-scan.ts";

const PREFIX = shardPrefix("q", 3);
const SHARD = prefixRange(PREFIX);
const NOW = Date.UTC(2030, 0, 1);

interface Place {
  readonly priority: number;
  readonly ms: number;
  readonly idle?: boolean;
}

function keysAt(places: readonly Place[]): string[] {
  return places.map(({ priority, ms, idle = false }, index) => {
    const tail = String(index).padStart(SEQUENCE_LENGTH - 10, "0");
    return `${idle ? idlePrefix(PREFIX) : PREFIX}${9 - priority}${sequenceFloor(ms)}${tail}`;
  });
}

/** A shard with these keys, and a scan that counts its ranges. */
async function setup(keys: readonly string[]) {
  const inner = createMemoryStorage().open();
  const value = new Uint8Array();
  const around = ["ready/q/2/501", "ready/q/30", "ready/q/4/501"].map((key) => put(key, value));
  await inner.commit([{ guards: [], writes: around }]);
  for (const key of keys) await inner.commit([{ guards: [], writes: [put(key, value)] }]);
  let ranges = 0;
  const store = {
    range: (...given: Parameters<Store["range"]>) => {
      ranges += 1;
      return inner.range(...given);
    },
  } as Store;
  const scan = new ReadyScan(store, SHARD);
  return {
    ranges: () => ranges,
    next: (cursor: string, limit: number) => scan.next(cursor, limit),
    /** All keys, page by page. */
    readAll: async (limit: number) => {
      const found: string[] = [];
      let pages = 0;
      for (let cursor = SHARD.start; cursor < SHARD.end; pages += 1) {
        const page = await scan.next(cursor, limit);
        expect(page.entries.length).toBeLessThanOrEqual(limit);
        expect(page.horizon > cursor).toBe(true);
        for (const { key } of page.entries) expect(key < page.horizon).toBe(true);
        found.push(...page.entries.map(({ key }) => key));
        cursor = page.horizon;
      }
      return { found, pages };
    },
  };
}

const gap = fc.oneof(
  fc.constantFrom(0, 0, 1),
  fc.integer({ min: 0, max: 1_000 }),
  fc.integer({ min: 0, max: 10 * 86_400_000 }),
);
const places = fc
  .array(fc.record({ priority: fc.integer({ min: 0, max: 9 }), gap, idle: fc.boolean() }), {
    maxLength: 60,
  })
  .map((list) => {
    let ms = NOW;
    return list.map(({ priority, gap, idle }): Place => {
      ms += gap;
      return { priority, ms, idle };
    });
  });

test("scan: its pages hold every key exactly once and in order, in a bounded number of reads", () =>
  fc.assert(
    fc.asyncProperty(places, fc.integer({ min: 1, max: 70 }), async (places, limit) => {
      const keys = keysAt(places);
      const { readAll, ranges } = await setup(keys);
      const { found, pages } = await readAll(limit);
      expect(found).toEqual([...keys].sort());
      // A stretch doubles twice until it spans hours, and then the rest of the priority is read.
      expect(ranges()).toBeLessThanOrEqual(10 * (keys.length + pages + 21));
    }),
    { numRuns: 60 },
  ));

test("scan: an empty shard is known after a look at each priority and one for idle tasks", async () => {
  const { next, ranges } = await setup([]);
  expect(await next(SHARD.start, 100)).toEqual({ entries: [], horizon: SHARD.end });
  expect(ranges()).toBeLessThanOrEqual(11);
});

test("scan: 5,000 keys of one minute are read in few steps", async () => {
  const keys = keysAt(
    Array.from({ length: 5_000 }, (_, ms) => ({ priority: 5, ms: NOW + ms * 12 })),
  );
  const { readAll, ranges } = await setup(keys);
  const { found } = await readAll(200);
  expect(found).toEqual(keys);
  expect(ranges()).toBeLessThan(120);
});

test("scan: one key an hour does not cost a read for each second between", async () => {
  const hour = 3_600_000;
  const keys = keysAt(Array.from({ length: 48 }, (_, h) => ({ priority: 0, ms: NOW + h * hour })));
  const { readAll, ranges } = await setup(keys);
  await readAll(200);
  expect(ranges()).toBeLessThan(60);
});

test("scan: a page begins at its cursor, and one before the shard is its start", async () => {
  const keys = keysAt([0, 1, 2].map((ms) => ({ priority: 9, ms: NOW + ms })));
  const { next } = await setup(keys);
  const [first, second] = keys as [string, string];
  expect((await next("ready/", 1)).entries.map(({ key }) => key)).toEqual([first]);
  expect((await next(`${first}\0`, 1)).entries.map(({ key }) => key)).toEqual([second]);
  expect(await next(SHARD.end, 1)).toEqual({ entries: [], horizon: SHARD.end });
});

test("scan: keys that are not ours are passed on and stop nothing", async () => {
  const strays = [
    ...["!", "5", "5x", "5zzzzzzzzzzzzzzzzzzzzzzzzzz", "5~", "97ZZZZZZZZZZ", "w", "z", "~"],
    ...["x", "x!", "x5", "x5zzzzzzzzzzzzzzzzzzzzzzzzzz", "x97ZZZZZZZZZZ", "xz", "xx", "y"],
  ];
  const ours = [4, 4].map((priority, index) => ({ priority, ms: NOW, idle: index === 1 }));
  const keys = [...strays.map((tail) => PREFIX + tail), ...keysAt(ours)];
  const { readAll } = await setup(keys);
  for (const limit of [1, 2, 100]) {
    expect((await readAll(limit)).found).toEqual([...keys].sort());
  }
});

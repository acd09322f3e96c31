import { expect, test } from "vitest";
import type { Entry, WatchEvent } from "../store/store.ts";
import { QUEUE_SHARDS, workerKey } from "../task/keyspace.ts";
import { encodeRecord } from "../task/records.ts";
import { createSeededRandom } from "../testing/seeded-random.ts";
import { Roster } from "./roster.ts";

const SHARDS = Array.from({ length: QUEUE_SHARDS }, (_, shard) => shard);

function entryOf(worker: string, facts: { queues?: string[]; kinds?: string[] } = {}): Entry {
  const value = encodeRecord({
    host: "h",
    pid: 1,
    queues: ["q"],
    kinds: ["k"],
    concurrency: 3,
    startedAt: 1,
    version: "1",
    ...facts,
  });
  return { key: workerKey(worker), value, createRevision: 1, modRevision: 1, version: 1 };
}

function rosterOf(self: string, entries: readonly Entry[]) {
  const vanished: string[] = [];
  let changes = 0;
  const roster = new Roster(self, {
    changed: () => {
      changes += 1;
    },
    vanished: (worker) => vanished.push(worker),
  });
  roster.reset(entries);
  return { roster, vanished, changes: () => changes };
}

function preferred(self: string, entries: readonly Entry[], queue = "q"): number[] {
  const { roster } = rosterOf(self, entries);
  return SHARDS.filter((shard) => roster.prefersShard(queue, shard));
}

const WORKERS = ["w1", "w2", "w3", "w4"];

test("roster: alone, a worker prefers every shard; before it knows, too", () => {
  expect(preferred("w1", [entryOf("w1")])).toEqual(SHARDS);
  expect(preferred("w1", [])).toEqual(SHARDS);
});

test("roster: workers alike divide the shards, each to one", () => {
  const entries = WORKERS.map((worker) => entryOf(worker));
  const all = WORKERS.flatMap((worker) => preferred(worker, entries));
  expect(all.toSorted((a, b) => a - b)).toEqual(SHARDS);
});

test("roster: one that goes leaves the others' shards where they are", () => {
  const entries = WORKERS.map((worker) => entryOf(worker));
  const rest = entries.slice(0, 3);
  for (const worker of WORKERS.slice(0, 3)) {
    const after = preferred(worker, rest);
    for (const shard of preferred(worker, entries)) expect(after).toContain(shard);
  }
});

test("roster: who takes from other queues, or knows other kinds, takes no shard away", () => {
  const self = entryOf("w1", { kinds: ["a", "b"] });
  const others = [
    entryOf("w2", { queues: ["other"], kinds: ["a", "b"] }),
    entryOf("w3", { kinds: ["a"] }),
    entryOf("w4", { kinds: [] }),
  ];
  expect(preferred("w1", [self, ...others])).toEqual(SHARDS);
  const alike = entryOf("w5", { kinds: ["b", "a"] });
  expect(preferred("w1", [self, alike]).length).toBeLessThan(QUEUE_SHARDS);
});

test("roster: shards are divided evenly, whatever the workers are called", () => {
  const random = createSeededRandom(1);
  let onesided = 0;
  let first = 0;
  for (let pair = 0; pair < 200; pair += 1) {
    const [one, other] = [random.hex(8), random.hex(8)] as [string, string];
    const count = preferred(one, [entryOf(one), entryOf(other)]).length;
    first += count;
    if (count === 0 || count === QUEUE_SHARDS) onesided += 1;
  }
  expect(onesided).toBeLessThan(8);
  expect(Math.abs(first - 800)).toBeLessThan(80);
});

test("roster: one worker is the first to rescue; those that only take by hand are never", () => {
  const entries = [...WORKERS.map((worker) => entryOf(worker)), entryOf("hand", { queues: [] })];
  const first = WORKERS.filter((worker) => rosterOf(worker, entries).roster.prefersRescue("gone"));
  expect(first).toHaveLength(1);
});

test("roster: says who vanished, by a deletion or a fresh list, and when anything changed", () => {
  const { roster, vanished, changes } = rosterOf(
    "w1",
    WORKERS.map((worker) => entryOf(worker)),
  );
  expect([roster.known, roster.has("w2"), changes()]).toEqual([true, true, 1]);
  const gone: WatchEvent = { type: "delete", key: workerKey("w2"), modRevision: 2 };
  roster.apply({ revision: 2, events: [gone, { ...gone, key: workerKey("never") }] });
  expect(vanished).toEqual(["w2"]);
  roster.reset([entryOf("w1"), entryOf("w3")]);
  expect(vanished).toEqual(["w2", "w4"]);
  roster.apply({ revision: 3, events: [] });
  expect(changes()).toBe(3);
});

test("roster: a damaged record is of nobody", () => {
  const damaged = { ...entryOf("w2"), value: Buffer.from("{") };
  const { roster } = rosterOf("w1", [entryOf("w1"), damaged]);
  expect(roster.has("w2")).toBe(false);
});

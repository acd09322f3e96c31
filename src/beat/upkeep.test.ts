import { channel } from "node:diagnostics_channel";
import { expect, onTestFinished, test } from "vitest";
import type { Events } from "../base/events.ts";
import { enqueuePart, receiptOf } from "../broker/enqueue.ts";
import { createMemoryStorage } from "../store/memory/index.ts";
import { put } from "../store/part.ts";
import { prefixRange } from "../store/range.ts";
import type { Store } from "../store/store.ts";
import type { StoreUpkeep, StoreUsage } from "../store/upkeep.ts";
import { ADMISSION_KEY, heartbeatKey } from "../task/keyspace.ts";
import { encodeRecord } from "../task/records.ts";
import { createSeededRandom } from "../testing/seeded-random.ts";
import { createVirtualClock } from "../testing/virtual-clock.ts";
import { runCompactor } from "./compactor.ts";
import { HEARTBEAT_PREFIXES, runHeartbeat } from "./heartbeat.ts";
import { runSpaceWatch } from "./space.ts";

const NOTHING = new Uint8Array();

function setup() {
  const clock = createVirtualClock();
  const storage = createMemoryStorage({ clock });
  const compacted: number[] = [];
  let share = 0.1;
  let fileShare = 0.85;
  let quotaBytes: number | undefined = 1_000;
  const upkeep: StoreUpkeep = {
    compact: async (revision) => {
      compacted.push(revision);
      storage.compact(revision);
    },
    usage: async (): Promise<StoreUsage | undefined> =>
      quotaBytes === undefined
        ? undefined
        : { usedBytes: share * quotaBytes, fileBytes: fileShare * quotaBytes, quotaBytes },
  };
  const memory = storage.open();
  const store: Store = Object.assign(memory, { upkeep });
  const ending = new AbortController();
  const world = { clock, random: createSeededRandom(1) };
  return {
    ...{ clock, storage, store, world, compacted, signal: ending.signal },
    write: () => storage.commit([{ guards: [], writes: [put("a", NOTHING)] }]),
    fill: (to: number, file = 0.85) => {
      share = to;
      fileShare = file;
    },
    withoutQuota: () => {
      quotaBytes = undefined;
    },
    end: async (...loops: readonly Promise<void>[]) => {
      ending.abort();
      await Promise.all(loops);
      expect(clock.untilNextTimer()).toBeUndefined();
    },
  };
}

/** What is published on a channel until the test ends. */
function heard<Name extends keyof Events>(name: Name): Events[Name][] {
  const events: Events[Name][] = [];
  const listen = (event: unknown) => events.push(event as Events[Name]);
  channel(name).subscribe(listen);
  onTestFinished(() => void channel(name).unsubscribe(listen));
  return events;
}

const THREE_MINUTES = { compactionMs: 180_000 };

test("compactor: keeps what is younger than its time, and compacts what is older", async () => {
  const { clock, storage, store, world, write, compacted, signal, end } = setup();
  const events = heard("etask:beat:compacted");
  const loop = runCompactor(store, world, signal, THREE_MINUTES);
  const revisions: number[] = [];
  for (let second = 0; second < 600; second += 10) {
    write();
    revisions.push(storage.revision);
    await clock.advance(10_000);
  }
  await end(loop);
  expect(compacted).toHaveLength(3);
  for (const [index, revision] of compacted.entries()) {
    const compactedAt = 180_000 * (index + 1);
    const youngest = revisions[(compactedAt - 180_000) / 10_000] ?? 0;
    expect(revision).toBeLessThanOrEqual(youngest);
    expect(revision).toBeGreaterThan(youngest - 4);
  }
  expect(events.map(({ revision }) => revision)).toEqual(compacted);
});

test("compactor: hurries when the store fills up, and keeps 30 s even then", async () => {
  const { clock, storage, store, world, write, compacted, signal, fill, end } = setup();
  fill(0.6);
  const loop = runCompactor(store, world, signal, THREE_MINUTES);
  for (let second = 0; second < 60; second += 1) {
    write();
    await clock.advance(1_000);
    for (const revision of compacted) expect(storage.revision - revision).toBeGreaterThan(25);
    compacted.length = 0;
  }
  fill(0.4);
  await clock.advance(100_000);
  expect(compacted).toEqual([]);
  await end(loop);
});

test("compactor: can be turned off, and is off where the store needs none", async () => {
  const { storage, store, world, signal } = setup();
  await runCompactor(store, world, signal, { compactionMs: undefined });
  await runCompactor(storage.open(), world, signal, THREE_MINUTES);
});

test("compactor: two of them, and an operator's, get along", async () => {
  const { clock, storage, store, world, write, compacted, signal, end } = setup();
  const loops = [1, 2].map(() => runCompactor(store, world, signal, THREE_MINUTES));
  for (let second = 0; second < 1_000; second += 10) {
    write();
    if (second === 500) storage.compact(storage.revision);
    await clock.advance(10_000);
  }
  await end(...loops);
  expect(compacted.length).toBeGreaterThan(8);
});

test("space: refuses new tasks from 80 % on, and accepts them again below 70 %", async () => {
  const { clock, storage, store, world, signal, fill, end } = setup();
  const events = heard("etask:store:space");
  const loop = runSpaceWatch(store, world, signal, { leader: "me" });
  const steps = [0.5, 0.79, 0.8, 0.75, 0.7, 0.69, 0.79];
  const refused: boolean[] = [];
  for (const share of steps) {
    fill(share);
    await clock.advance(6_000);
    refused.push(storage.get(ADMISSION_KEY) !== undefined);
  }
  await end(loop);
  expect(refused).toEqual([false, false, true, true, true, false, false]);
  expect(events).toEqual([
    { accepting: false, usedBytes: 800, quotaBytes: 1_000 },
    { accepting: true, usedBytes: 690, quotaBytes: 1_000 },
  ]);
});

test("space: a file at the quota is a reason as well, until it was defragmented", async () => {
  const { clock, storage, store, world, signal, fill, end } = setup();
  const loop = runSpaceWatch(store, world, signal, { leader: "me" });
  const refused: boolean[] = [];
  for (const file of [0.85, 0.95, 0.91, 0.6]) {
    fill(0.3, file);
    await clock.advance(6_000);
    refused.push(storage.get(ADMISSION_KEY) !== undefined);
  }
  await end(loop);
  expect(refused).toEqual([false, true, true, false]);
});

test("space: what is refused says STORE_NEARLY_FULL, and writes nothing", async () => {
  const { clock, storage, store, world, signal, fill, end } = setup();
  fill(0.9);
  const loop = runSpaceWatch(store, world, signal, { leader: "me" });
  await clock.advance(1_000);
  const sequence = "0".repeat(26);
  const spec = { id: "a", name: "t", queue: "q", priority: 5, createdAt: 1, sequence };
  const { revision } = storage;
  const [result] = await store.commit([enqueuePart(spec, encodeRecord(spec))]);
  expect(() => result && receiptOf("a", result)).toThrow(
    expect.objectContaining({ code: "STORE_NEARLY_FULL", applied: "no" }),
  );
  expect(storage.revision).toBe(revision);
  await end(loop);
});

test("space: a new leader goes on where the last one was, and two do not quarrel", async () => {
  const { clock, storage, store, world, signal, fill, end } = setup();
  const events = heard("etask:store:space");
  fill(0.9);
  const loops = ["a", "b"].map((leader) => runSpaceWatch(store, world, signal, { leader }));
  await clock.advance(10_000);
  const created = storage.get(ADMISSION_KEY)?.modRevision;
  loops.push(runSpaceWatch(store, world, signal, { leader: "c" }));
  await clock.advance(10_000);
  expect(storage.get(ADMISSION_KEY)?.modRevision).toBe(created);
  fill(0.1);
  await clock.advance(10_000);
  expect(storage.get(ADMISSION_KEY)).toBeUndefined();
  expect(events.map(({ accepting }) => accepting)).toEqual([false, true]);
  await end(...loops);
});

test("space: a store without a quota is never full, and one that lost it opens again", async () => {
  const { clock, storage, store, world, signal, fill, withoutQuota, end } = setup();
  await runSpaceWatch(storage.open(), world, signal, { leader: "me" });
  fill(0.9);
  const loop = runSpaceWatch(store, world, signal, { leader: "me" });
  await clock.advance(1_000);
  withoutQuota();
  await clock.advance(10_000);
  expect(storage.get(ADMISSION_KEY)).toBeUndefined();
  await end(loop);
});

test("heartbeat: one commit every 10 s touches each watched range", async () => {
  const { clock, storage, store, world, signal, end } = setup();
  const before = storage.revision;
  const loop = runHeartbeat(store, world, signal, { leader: "me" });
  await clock.advance(60_000);
  await end(loop);
  expect(storage.revision - before).toBe(7);
  const { entries } = storage.range(prefixRange(""), {});
  expect(entries.map(({ key }) => key)).toEqual(HEARTBEAT_PREFIXES.map(heartbeatKey).toSorted());
  expect(JSON.parse(Buffer.from(entries[0]?.value ?? NOTHING).toString())).toEqual({
    ...{ v: 1, leader: "me" },
    at: clock.now(),
  });
});

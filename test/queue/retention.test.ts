import { expect, test } from "vitest";
import { TASK_OVERHEAD_BYTES } from "../../src/beat/keep-ledger.ts";
import { runKeeper } from "../../src/beat/keeper.ts";
import { SWEEP_WRITES_MAX } from "../../src/beat/sweep.ts";
import { runSweeper } from "../../src/beat/sweeper.ts";
import { sweepPart } from "../../src/broker/sweep.ts";
import { createMemoryStorage } from "../../src/store/memory/index.ts";
import { del, put, type Write } from "../../src/store/part.ts";
import { prefixRange } from "../../src/store/range.ts";
import {
  attemptKey,
  expireKey,
  failedKey,
  heartbeatKey,
  queueKey,
  taskKey,
} from "../../src/task/keyspace.ts";
import type { QueueRecord } from "../../src/task/queue-record.ts";
import { type ExpireRecord, encodeRecord } from "../../src/task/records.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { createVirtualClock } from "../../src/testing/virtual-clock.ts";
import { TroubledStore } from "./support/troubled-store.ts";

const NOTHING = new Uint8Array();
const MINUTE = 60_000;

function setup() {
  const clock = createVirtualClock();
  const storage = createMemoryStorage({ clock });
  const store = new TroubledStore(storage.open());
  const world = { clock, random: createSeededRandom(1) };
  const write = (...writes: Write[]) => storage.commit([{ guards: [], writes }]);
  return {
    clock,
    storage,
    store,
    world,
    write,
    /** A task that has ended, with everything that it can have. */
    ended: (id: string, expireAt: number, record: Partial<ExpireRecord> = {}) => {
      const expire: ExpireRecord = { queue: "q", bytes: 100, ...record };
      const parts = ["spec", "state", "progress", "cancel"] as const;
      const { attempts = 0, failedAt } = expire;
      const slots = Array.from({ length: attempts }, (_, n) => attemptKey(id, n + 1));
      write(
        ...parts.map((part) => put(taskKey(id, part), NOTHING)),
        ...slots.map((key) => put(key, NOTHING)),
        ...(failedAt === undefined ? [] : [put(failedKey(expire.queue, failedAt, id), NOTHING)]),
        put(expireKey(expireAt, id), encodeRecord(expire)),
      );
    },
    keep: (queue: string, keep: QueueRecord["keep"] | undefined) =>
      write(put(queueKey(queue), encodeRecord(keep ? { keep } : {}))),
    keys: (prefix: string) => storage.range(prefixRange(prefix), {}).entries.map(({ key }) => key),
    /** Runs a loop for a while, then ends it and gives back what it threw. */
    during: async (
      ms: number,
      loop: typeof runSweeper,
      meanwhile: () => void | Promise<void> = () => {},
    ) => {
      const ending = new AbortController();
      const running = loop(store, world, ending.signal);
      await meanwhile();
      await clock.advance(ms);
      ending.abort();
      await running;
    },
  };
}

test("sweeper: takes everything that belongs to a task in one part", async () => {
  const { clock, ended, keys, during, store } = setup();
  ended("a", clock.now(), { attempts: 3, failedAt: 7 });
  expect(keys("")).toHaveLength(9);
  await during(3 * MINUTE, runSweeper);
  expect(keys("")).toEqual([]);
  expect(store.commits).toHaveLength(1);
});

test("sweeper: an entry that says nothing removes all that may exist", async () => {
  const { clock, ended, write, keys, during } = setup();
  ended("a", clock.now(), { attempts: 20 });
  write(put(expireKey(clock.now(), "a"), NOTHING));
  ended("b", clock.now(), { attempts: 20 });
  write(put(expireKey(clock.now(), "b"), Buffer.from("{")));
  await during(3 * MINUTE, runSweeper);
  expect(keys("")).toEqual([]);
});

test("sweeper: a task with 20 attempts that failed fits one part", () => {
  const record = encodeRecord({ queue: "q", bytes: 1, attempts: 900, failedAt: 1 });
  expect(sweepPart(expireKey(1, "a"), record)?.writes).toHaveLength(26);
  expect(sweepPart("expire/197001010000/#", record)).toBeUndefined();
});

test("sweeper: a task that went on after its entry was read is left alone", async () => {
  const { clock, ended, storage, keys } = setup();
  ended("a", clock.now());
  const [entry] = storage.range(prefixRange("expire/"), {}).entries;
  if (!entry) throw new Error("There is no entry.");
  ended("a", clock.now());
  const part = sweepPart(entry.key, entry.value, entry.modRevision);
  expect(part && storage.commit([part])[0]?.applied).toBe(false);
  expect(keys("task/a#")).toHaveLength(4);
});

test("sweeper: two entries of one task are no obstacle", async () => {
  const { clock, ended, keys, during } = setup();
  ended("a", clock.now());
  ended("a", clock.now() + MINUTE);
  await during(5 * MINUTE, runSweeper);
  expect(keys("")).toEqual([]);
});

test("sweeper: chunks are bounded, only delete, and a pause follows each", async () => {
  const { clock, ended, keys, during, store, storage } = setup();
  for (let n = 0; n < 500; n += 1) ended(`t${n}`, clock.now(), { attempts: n % 9 });
  const times: number[] = [];
  storage.listen(() => times.push(clock.monotonic()));
  await during(3 * MINUTE, runSweeper);
  expect(keys("")).toEqual([]);
  for (const parts of store.commits) {
    expect(parts.flatMap(({ writes }) => writes).length).toBeLessThanOrEqual(SWEEP_WRITES_MAX);
    expect(parts.flatMap(({ writes }) => writes).every(({ op }) => op === "delete")).toBe(true);
  }
  for (const [index, time] of times.entries()) {
    if (index > 0) expect(time - (times[index - 1] as number)).toBeGreaterThanOrEqual(5);
  }
});

test("sweeper: an entry that comes late to a minute that was swept is found", async () => {
  const { clock, ended, keys, during } = setup();
  ended("early", clock.now());
  await during(10 * MINUTE, runSweeper, async () => {
    await clock.advance(3 * MINUTE);
    ended("late", clock.now() - 2 * MINUTE);
  });
  expect(keys("")).toEqual([]);
});

test("sweeper: between full sweeps it reads no minute twice", async () => {
  const { clock, ended, during, store } = setup();
  for (let n = 0; n < 50; n += 1) ended(`t${n}`, clock.now() + (n % 5) * MINUTE);
  await during(6 * MINUTE, runSweeper);
  expect(store.entriesRead).toBeLessThanOrEqual(60);
});

test("keeper: without limits it reads the settings and nothing else", async () => {
  const { clock, ended, keys, keep, during, store } = setup();
  keep("q", undefined);
  for (let n = 0; n < 50; n += 1) ended(`t${n}`, clock.now() + 60 * MINUTE);
  await during(10 * MINUTE, runKeeper);
  expect(keys("expire/")).toHaveLength(50);
  expect(store.entriesRead).toBe(1);
});

test("row 26: a queue above its count loses what expires first, other queues nothing", async () => {
  const { clock, ended, keys, keep, during } = setup();
  keep("q", { count: 10 });
  for (let n = 0; n < 30; n += 1) {
    ended(`q${n}`, clock.now() + (60 + n) * MINUTE);
    ended(`other${n}`, clock.now() + (60 + n) * MINUTE, { queue: "other" });
  }
  await during(MINUTE, runKeeper);
  const left = Array.from({ length: 10 }, (_, n) => `task/q${20 + n}#spec`);
  expect(keys("task/q").filter((key) => key.endsWith("#spec"))).toEqual(left);
  expect(keys("task/other")).toHaveLength(120);
});

test("row 26: a queue above its bytes shrinks, also while tasks keep ending", async () => {
  const { clock, ended, keys, keep, during } = setup();
  keep("q", { bytes: 20 * (100 + TASK_OVERHEAD_BYTES) });
  await during(2 * MINUTE, runKeeper, async () => {
    for (let n = 0; n < 300; n += 1) {
      ended(`t${String(n).padStart(4, "0")}`, clock.now() + 60 * MINUTE, { bytes: 100 });
      if (n % 10 === 0) await clock.advance(200);
    }
  });
  expect(keys("expire/")).toHaveLength(20);
  expect(keys("task/").at(-1)).toBe("task/t0299#state");
});

test("keeper: limits that are set, changed and taken away hold from then on", async () => {
  const { clock, ended, keys, keep, during } = setup();
  for (let n = 0; n < 50; n += 1) ended(`t${n}`, clock.now() + 60 * MINUTE);
  await during(MINUTE, runKeeper, async () => {
    await clock.advance(5_000);
    keep("q", { count: 40 });
    await clock.advance(5_000);
    expect(keys("expire/")).toHaveLength(40);
    keep("q", { count: 7 });
    await clock.advance(5_000);
    expect(keys("expire/")).toHaveLength(7);
    keep("q", undefined);
    for (let n = 50; n < 100; n += 1) ended(`t${n}`, clock.now() + 60 * MINUTE);
  });
  expect(keys("expire/")).toHaveLength(57);
});

test("keeper: tasks that somebody else removed do not count, so none is removed for them", async () => {
  const { clock, ended, write, keys, keep, during } = setup();
  keep("q", { count: 30 });
  const later = clock.now() + 60 * MINUTE;
  for (let n = 0; n < 30; n += 1) ended(`t${n}`, later);
  await during(MINUTE, runKeeper, async () => {
    await clock.advance(5_000);
    for (let n = 0; n < 20; n += 1) write(del(expireKey(later, `t${n}`)));
    for (let n = 0; n < 20; n += 1) ended(`u${n}`, later);
    await clock.advance(30_000);
    expect(keys("expire/")).toHaveLength(30);
    ended("last", later);
  });
  expect(keys("expire/")).toHaveLength(30);
});

test("keeper: two of them remove no more than one", async () => {
  const { clock, ended, keys, keep, during, store, world } = setup();
  keep("q", { count: 25 });
  for (let n = 0; n < 200; n += 1) ended(`t${n}`, clock.now() + (60 + (n % 7)) * MINUTE);
  const ending = new AbortController();
  const other = runKeeper(store, world, ending.signal);
  await during(MINUTE, runKeeper, async () => {
    for (let n = 200; n < 400; n += 1) {
      ended(`t${n}`, clock.now() + (60 + (n % 7)) * MINUTE);
      if (n % 20 === 0) await clock.advance(700);
    }
  });
  ending.abort();
  await other;
  expect(keys("expire/")).toHaveLength(25);
});

test("keeper: it goes on through compactions, and leaves damaged entries to the sweeper", async () => {
  const { clock, storage, ended, write, keys, keep, during } = setup();
  keep("q", { count: 5 });
  const later = clock.now() + 60 * MINUTE;
  write(put(expireKey(later, "damaged"), Buffer.from("{")), put(heartbeatKey("expire/"), NOTHING));
  await during(MINUTE, runKeeper, async () => {
    for (let n = 0; n < 20; n += 1) {
      ended(`t${n}`, later);
      storage.compact(storage.revision);
      await clock.advance(1_000);
    }
  });
  expect(keys("expire/")).toHaveLength(7);
});

import { expect, test } from "vitest";
import { promotePart } from "../broker/promote.ts";
import { createMemoryStorage } from "../store/memory/index.ts";
import { del, put, type Write } from "../store/part.ts";
import { prefixRange } from "../store/range.ts";
import { decodeState } from "../task/decode.ts";
import { dueKey, expireKey, heartbeatKey, taskKey } from "../task/keyspace.ts";
import { encodeRecord } from "../task/records.ts";
import { readTask } from "../task/task-reader.ts";
import { createSeededRandom } from "../testing/seeded-random.ts";
import { createVirtualClock } from "../testing/virtual-clock.ts";
import { Beat } from "./beat.ts";

const NOTHING = new Uint8Array();

function setup() {
  const clock = createVirtualClock();
  const storage = createMemoryStorage({ clock });
  const store = storage.open();
  const random = createSeededRandom(1);
  const write = (...writes: Write[]) => storage.commit([{ guards: [], writes }]);
  let specs = 0;
  const specOf = (id: string) => {
    const sequence = String(specs++).padStart(26, "0");
    return encodeRecord({ id, name: "t", queue: "q", priority: 5, createdAt: 1, sequence });
  };
  return {
    clock,
    storage,
    store,
    write,
    beat: () => new Beat(store, { clock, random }),
    /** A task that waits for its time. */
    schedule: (id: string, dueAt: number) => {
      const state = { state: "scheduled", attempt: 1, worker: "w", hand: 1, at: 1, dueAt };
      write(
        put(taskKey(id, "spec"), specOf(id)),
        put(taskKey(id, "state"), encodeRecord(state)),
        put(dueKey(dueAt, id), encodeRecord({ id, name: "t" })),
      );
    },
    /** A task that has ended and is kept until `expireAt`. */
    finish: (id: string, expireAt: number) =>
      write(
        put(taskKey(id, "spec"), specOf(id)),
        put(taskKey(id, "state"), encodeRecord({ state: "failed", attempt: 1, at: 1, expireAt })),
        put(taskKey(id, "progress"), NOTHING),
        put(expireKey(expireAt, id), NOTHING),
      ),
    stateOf: (id: string) => {
      const entry = storage.get(taskKey(id, "state"));
      return entry && decodeState(entry.value).state;
    },
    /** Without the leader's heartbeat. */
    keys: (prefix: string) => {
      const { entries } = storage.range(prefixRange(prefix), {});
      return entries.map(({ key }) => key).filter((key) => key !== heartbeatKey(prefix));
    },
  };
}

test("promoter: makes a task ready at its time, within a moment and never before", async () => {
  const { clock, schedule, stateOf, keys, beat } = setup();
  const dueAt = clock.now() + 12_345;
  schedule("a", dueAt);
  await using running = beat();
  running.start();
  running.start();
  await clock.advance(12_344);
  expect(stateOf("a")).toBe("scheduled");
  await clock.advance(2);
  expect(stateOf("a")).toBe("pending");
  expect(keys("due/")).toEqual([]);
  expect(keys("ready/")).toHaveLength(1);
});

test("promoter: hundreds that are due at once, or were due long ago, all become ready", async () => {
  const { clock, schedule, keys, beat } = setup();
  const day = 86_400_000;
  for (let n = 0; n < 300; n += 1) schedule(`t${n}`, clock.now() + (n % 3 === 0 ? -day : 1_000));
  await using running = beat();
  running.start();
  await clock.advance(2_000);
  expect(keys("due/")).toEqual([]);
  expect(keys("ready/")).toHaveLength(300);
});

test("promoter: any number of them promote each task once", async () => {
  const { clock, storage, schedule, beat } = setup();
  for (let n = 0; n < 50; n += 1) schedule(`t${n}`, clock.now() + n * 100);
  const beats = [beat(), beat(), beat()];
  for (const each of beats) each.start();
  await clock.advance(10_000);
  for (const each of beats) await each.stop();
  const promotions = storage.log.flatMap(({ events }) =>
    events.filter(({ type, key }) => type === "put" && key.startsWith("ready/")),
  );
  expect(promotions).toHaveLength(50);
});

test("promoter: an entry of a task that is gone, ended or due at another time is dropped", async () => {
  const { clock, storage, write, schedule, stateOf, keys, beat } = setup();
  const past = clock.now() - 1;
  for (const id of ["gone", "moved", "ended"]) schedule(id, past);
  write(del(taskKey("gone", "spec")), del(taskKey("gone", "state")));
  schedule("moved", clock.now() + 60_000);
  write(put(taskKey("ended", "state"), encodeRecord({ state: "succeeded", attempt: 1, at: 1 })));
  await using running = beat();
  running.start();
  await clock.advance(1_000);
  expect(keys("ready/")).toEqual([]);
  expect(keys("due/")).toEqual([dueKey(clock.now() - 1_000 + 60_000, "moved")]);
  expect(stateOf("ended")).toBe("succeeded");
  expect(storage.get(taskKey("gone", "state"))).toBeUndefined();
});

test("promoter: what an entry's value says does not matter, its key says it all", async () => {
  const { clock, write, schedule, stateOf, beat } = setup();
  const dueAt = clock.now() + 100;
  schedule("a", dueAt);
  write(put(dueKey(dueAt, "a"), Buffer.from("{")));
  await using running = beat();
  running.start();
  await clock.advance(1_000);
  expect(stateOf("a")).toBe("pending");
});

test("promoter: keys of somebody else are left alone and hold up nothing", async () => {
  const { clock, write, schedule, stateOf, keys, beat } = setup();
  const strays = Array.from({ length: 200 }, (_, n) => `due/0/${n}`);
  for (const key of strays) write(put(key, NOTHING));
  schedule("a", clock.now() + 100);
  await using running = beat();
  running.start();
  await clock.advance(1_000);
  expect(stateOf("a")).toBe("pending");
  expect(keys("due/").toSorted()).toEqual(strays.toSorted());
});

test("promoter: one that was overtaken changes nothing", async () => {
  const { clock, storage, store, schedule } = setup();
  const dueAt = clock.now();
  schedule("a", dueAt);
  const due = storage.get(dueKey(dueAt, "a"));
  const task = await readTask(store, "a");
  if (!due || !task) throw new Error("The task is not scheduled.");
  const part = promotePart(due, task, 1);
  expect(storage.commit([part])[0]?.applied).toBe(true);
  expect(storage.commit([part])[0]?.applied).toBe(false);
});

test("sweeper: removes what its retention is over for, in its minute, and nothing else", async () => {
  const { clock, finish, keys, beat } = setup();
  finish("early", clock.now() + 5 * 60_000);
  finish("late", clock.now() + 90 * 60_000);
  await using running = beat();
  running.start();
  await clock.advance(5 * 60_000);
  expect(keys("task/early#")).toHaveLength(3);
  await clock.advance(2 * 60_000);
  expect(keys("task/early#")).toEqual([]);
  expect(keys("task/late#")).toHaveLength(3);
  expect(keys("expire/")).toHaveLength(1);
});

test("sweeper: hundreds at once, among keys of somebody else, which stay", async () => {
  const { clock, write, finish, keys, beat } = setup();
  const strays = Array.from({ length: 100 }, (_, n) => `expire/0/${n}`);
  for (const key of strays) write(put(key, NOTHING));
  for (let n = 0; n < 200; n += 1) finish(`t${n}`, clock.now() + 60_000);
  await using running = beat();
  running.start();
  await clock.advance(3 * 60_000);
  expect(keys("task/")).toEqual([]);
  expect(keys("expire/").toSorted()).toEqual(strays.toSorted());
});

test("beat: stopping it ends its loops and leaves no timer; it is safe before the start", async () => {
  const { clock, beat } = setup();
  await beat().stop();
  const running = beat();
  running.start();
  await clock.advance(10_000);
  await running.stop();
  await running.stop();
  expect(clock.untilNextTimer()).toBeUndefined();
});

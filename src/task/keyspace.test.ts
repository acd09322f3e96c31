import fc from "fast-check";
import { expect, test } from "vitest";
import { inRange } from "../store/range.ts";
import {
  afterTask,
  dueKey,
  dueRange,
  dueTime,
  expireKey,
  expireRange,
  handKey,
  handRange,
  idOfDueKey,
  idOfExpireKey,
  laterDueRange,
  parseReadyKey,
  parseTaskKey,
  QUEUE_SHARDS,
  readyKey,
  readyOrder,
  readyRange,
  sequenceFloor,
  sequenceTime,
  shardOf,
  shardPrefix,
  type TaskPart,
  taskKey,
  taskRange,
  tasksRange,
  WORKERS_RANGE,
  workerKey,
  workerOfHandKey,
  workerOfKey,
} from "./keyspace.ts";
import { requireId, requireQueue } from "./names.ts";

const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,30}[A-Za-z0-9]$/).map(requireId);
const queue = fc
  .stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,10}$/)
  .filter((name) => name !== "__proto__")
  .map(requireQueue);
const priority = fc.integer({ min: 0, max: 9 });
const sequence = fc.ulid();
const position = fc.record(
  { queue, priority, sequence, idle: fc.constant(true as const) },
  { requiredKeys: ["queue", "priority", "sequence"] },
);
const part = fc.constantFrom<TaskPart>("spec", "state", "progress");
/** A ULID has 48 bits for its time. */
const ULID_MS_MAX = 2 ** 48 - 1;
const time = fc.integer({ min: 0, max: 4_000_000_000_000 });

test("keys: what was put into a task's key comes out again", () => {
  fc.assert(
    fc.property(id, part, (id, part) => {
      const key = taskKey(id, part);
      expect(parseTaskKey(key)).toEqual({ id, part });
      expect(inRange(taskRange(id), key)).toBe(true);
      expect(inRange(tasksRange(id), key)).toBe(true);
      expect(key < afterTask(id)).toBe(true);
    }),
  );
});

test("keys: the keys of one task lie side by side, also among ids that begin with its id", () => {
  const family = fc.tuple(id, fc.array(fc.stringMatching(/^[._:@/A-Z-]{0,3}[a-z0-9]$/)));
  fc.assert(
    fc.property(family, ([id, tails]) => {
      const ids = [...new Set([id, ...tails.map((tail) => requireId(id + tail))])];
      const parts: TaskPart[] = ["spec", "state", "progress"];
      const keys = ids.flatMap((each) => parts.map((part) => taskKey(each, part))).sort();
      const owners = keys.map((key) => parseTaskKey(key)?.id);
      for (const each of ids) {
        const first = owners.indexOf(each);
        expect(owners.slice(first, first + 3)).toEqual([each, each, each]);
        expect(keys.filter((key) => inRange(taskRange(each), key))).toHaveLength(3);
      }
    }),
  );
});

test.each(["task/", "task/a", "task/a#", "task/a#log", "tasks/a#spec", "a#spec", ""])(
  "keys: %j is no key of a task",
  (key) => {
    expect(parseTaskKey(key)).toBeUndefined();
  },
);

test("keys: what was put into a ready key comes out again", () => {
  fc.assert(
    fc.property(id, position, (id, position) => {
      const key = readyKey(id, position);
      expect(parseReadyKey(key)).toEqual(position);
      expect(key.startsWith(shardPrefix(position.queue, shardOf(id)))).toBe(true);
      expect(inRange(readyRange(position.queue), key)).toBe(true);
      expect(inRange(readyRange(), key)).toBe(true);
    }),
  );
});

test("keys: ready keys sort idle last, then by priority, 9 first, then by age", () => {
  fc.assert(
    fc.property(id, id, position, position, (first, second, a, b) => {
      const keyA = readyKey(first, a);
      const keyB = readyKey(first, { ...b, queue: a.queue });
      const idleLast = Number(a.idle ?? false) - Number(b.idle ?? false);
      const byAge = a.sequence < b.sequence ? -1 : 1;
      const expected = idleLast || b.priority - a.priority || byAge;
      const same = idleLast === 0 && a.priority === b.priority && a.sequence === b.sequence;
      if (!same) expect(keyA < keyB).toBe(expected < 0);
      if (!same) expect(readyOrder(keyA) < readyOrder(readyKey(second, b))).toBe(expected < 0);
    }),
  );
});

test.each([
  "ready/q/0/5",
  "ready/q/0/",
  "ready/q/x/501ARZ3NDEKTSV4RRFFQ69G5FAV",
  "ready/q/0/x01ARZ3NDEKTSV4RRFFQ69G5FAV",
  "ready/q/0/xx501ARZ3NDEKTSV4RRFFQ69G5FAV",
  "ready/q/0/501ARZ3NDEKTSV4RRFFQ69G5FAVX",
  "ready/q/0/501arz3ndektsv4rrffq69g5fav",
  "ready/a/b/0/501ARZ3NDEKTSV4RRFFQ69G5FAV",
  "task/q/0/501ARZ3NDEKTSV4RRFFQ69G5FAV",
])("keys: %j is no ready key", (key) => {
  expect(parseReadyKey(key)).toBeUndefined();
});

test("keys: a queue's range holds nothing of a queue whose name goes on", () => {
  const at = { queue: "mail-2", priority: 5, sequence: "01ARZ3NDEKTSV4RRFFQ69G5FAV" };
  expect(inRange(readyRange("mail"), readyKey("a", at))).toBe(false);
});

test("keys: a sequence's time is the time it was made, and its floor is not above it", () => {
  fc.assert(
    fc.property(fc.ulid(), (sequence) => {
      const ms = sequenceTime(sequence);
      expect(sequenceFloor(ms) <= sequence).toBe(true);
      if (ms < ULID_MS_MAX) expect(sequenceFloor(ms + 1) > sequence).toBe(true);
    }),
  );
});

test("keys: ids spread over all shards evenly", () => {
  const counts = new Array<number>(QUEUE_SHARDS).fill(0);
  for (let index = 0; index < 8_000; index += 1) {
    const shard = shardOf(`disk.format/${index}`);
    counts[shard] = (counts[shard] ?? 0) + 1;
  }
  for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(150);
});

test("keys: what is due is what a scan at that time names, to the millisecond", () => {
  fc.assert(
    fc.property(time, time, id, (dueAt, now, id) => {
      const key = dueKey(dueAt, id);
      expect(dueTime(key)).toBe(dueAt);
      expect(idOfDueKey(key)).toBe(id);
      expect(inRange(dueRange(now), key)).toBe(dueAt <= now);
      const until = now + 100_000;
      expect(inRange(laterDueRange(now, until), key)).toBe(dueAt > now && dueAt <= until);
    }),
  );
});

test("keys: due keys sort by time", () => {
  fc.assert(
    fc.property(time, time, id, id, (a, b, first, second) => {
      if (a !== b) expect(dueKey(a, first) < dueKey(b, second)).toBe(a < b);
    }),
  );
});

test("keys: a finished task is swept once its minute has passed", () => {
  fc.assert(
    fc.property(time, time, id, (expireAt, now, id) => {
      const key = expireKey(expireAt, id);
      expect(idOfExpireKey(key)).toBe(id);
      const passed = Math.floor(now / 60_000) > Math.floor(expireAt / 60_000);
      expect(inRange(expireRange(now), key)).toBe(passed);
    }),
  );
});

test.each(["due/", "due/x", "due/202601010000/1/a", "due/202601010000/0000000000001/"])(
  "keys: %j is no due key",
  (key) => {
    expect(dueTime(key)).toBeUndefined();
    expect(idOfDueKey(key)).toBeUndefined();
  },
);

test("keys: hands belong to their worker and sort by batch; workers to nobody", () => {
  expect(workerOfHandKey(handKey("w1", 3))).toBe("w1");
  expect(handKey("w1", 9) < handKey("w1", 10)).toBe(true);
  expect(inRange(handRange("w1"), handKey("w1", 10))).toBe(true);
  expect(inRange(handRange("w1"), handKey("w11", 1))).toBe(false);
  expect(workerOfHandKey("hand/w1")).toBeUndefined();
  expect(workerOfKey(workerKey("w1"))).toBe("w1");
  expect(inRange(WORKERS_RANGE, workerKey("w1"))).toBe(true);
});

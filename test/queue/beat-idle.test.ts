import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { createIdSource } from "../../src/base/ids.ts";
import { Beat } from "../../src/beat/beat.ts";
import { enqueuePart } from "../../src/broker/enqueue.ts";
import { encodeSpec } from "../../src/broker/spec.ts";
import { prefixRange } from "../../src/store/range.ts";
import { resolveDelayOptions } from "../../src/task/enqueue-options.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { TroubledStore } from "./support/troubled-store.ts";
import { createWorld, type World } from "./support/world.ts";

const TASKS = 1_000_000;
const COMMIT = 50;
const WEEK_MS = 7 * 86_400_000;
const IDLE_MS = 10 * 60_000;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function heapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** What a Beat asks of the store, and by how much the heap grows, in ten minutes. */
async function idleCost({ clock, storage }: World) {
  const store = new TroubledStore(storage.open());
  await using beat = new Beat(store, { clock, random: createSeededRandom(1) });
  beat.start();
  await clock.advance(60_000);
  const before = {
    reads: store.reads.length,
    entries: store.entriesRead,
    commits: store.commits.length,
    watches: store.watchCount,
    heap: heapBytes(),
  };
  await clock.advance(IDLE_MS);
  const grown = heapBytes() - before.heap;
  return {
    asked: {
      reads: store.reads.length - before.reads,
      entries: store.entriesRead - before.entries,
      commits: store.commits.length - before.commits,
      watches: store.watchCount - before.watches,
    },
    grown,
  };
}

/** Enqueues tasks for next week, as `delayMany` does but without its handles. */
function enqueueDelayed({ clock, random, storage }: World, count: number): void {
  const nextSequence = createIdSource(clock, random);
  const createdAt = clock.now();
  for (let made = 0; made < count; made += COMMIT) {
    const parts = Array.from({ length: Math.min(COMMIT, count - made) }, (_, index) => {
      const options = resolveDelayOptions({}, { in: WEEK_MS + made + index });
      const facts = { sequence: nextSequence(), createdAt, payloadBytesMax: 1_000, at: "" };
      const { spec, bytes } = encodeSpec({ name: "later", input: made, options }, facts);
      return enqueuePart(spec, bytes);
    });
    storage.commit(parts);
    // What is measured is the Beat, not the history that this store would keep.
    storage.compact(storage.revision);
  }
}

test("delayed: a million tasks for next week cost the Beat not one read or write more than none", async () => {
  await using empty = createWorld();
  await empty.app();
  const without = await idleCost(empty);

  await using world = createWorld();
  await world.app();
  enqueueDelayed(world, TASKS);
  const due = await world.store.range(prefixRange("due/2"), { limit: 1, count: true });
  expect(due.count).toBe(TASKS);
  const withTasks = await idleCost(world);

  expect(withTasks.asked).toEqual(without.asked);
  expect(withTasks.asked.commits).toBeLessThanOrEqual(IDLE_MS / 10_000 + 1);
  expect(Math.abs(withTasks.grown)).toBeLessThan(8 * 1_048_576);
}, 240_000);

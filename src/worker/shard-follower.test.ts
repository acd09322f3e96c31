import { describe, expect, test } from "vitest";
import { systemClock } from "../base/clock.ts";
import { createDeferred } from "../base/deferred.ts";
import { systemRandom } from "../base/random.ts";
import { enqueuePart } from "../broker/enqueue.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import type { Store } from "../store/store.ts";
import { shardOf } from "../task/keyspace.ts";
import { encodeRecord, type SpecRecord } from "../task/records.ts";
import { ShardFollower } from "./shard-follower.ts";

const QUEUE = "q";
const CAPACITY = 8;

/** Ids that all fall into one shard, in the order of their sequences. */
function specsOfOneShard(count: number): SpecRecord[] {
  const specs: SpecRecord[] = [];
  for (let number = 0; specs.length < count; number += 1) {
    const id = `01HZZZZZZZ${String(number).padStart(16, "0")}`;
    if (shardOf(id) === 0) specs.push({ id, name: "n", queue: QUEUE, priority: 5, createdAt: 1 });
  }
  return specs;
}

async function enqueue(store: Store, specs: readonly SpecRecord[]): Promise<void> {
  await store.commit(specs.map((spec) => enqueuePart(spec, encodeRecord(spec))));
}

describe("shard follower", () => {
  test("a task put while a scan is under way is not forgotten", async () => {
    await using inner = openMemoryStore({ clock: systemClock });
    const held = createDeferred<void>();
    const answered = createDeferred<void>();
    let holds = false;
    const store: Store = new Proxy(inner, {
      get: (target, name) => {
        if (name !== "range") return Reflect.get(target, name, target).bind?.(target);
        return async (...given: Parameters<Store["range"]>) => {
          const page = await target.range(...given);
          if (!holds || given[0].start === "meta") return page;
          answered.resolve();
          await held.promise;
          return page;
        };
      },
    });
    const specs = specsOfOneShard(3 * CAPACITY);
    const last = specs.pop() as SpecRecord;
    await enqueue(store, specs);
    let changes = createDeferred<void>();
    const world = { clock: systemClock, random: systemRandom };
    const follower = new ShardFollower(
      { store, world, knows: () => true, changed: () => changes.resolve(), capacity: CAPACITY },
      QUEUE,
      0,
    );
    const ending = new AbortController();
    const running = follower.run(ending.signal);
    await changes.promise;
    const seen: string[] = [];
    const drain = () => {
      for (let entry = follower.window.takeHead(); entry; entry = follower.window.takeHead()) {
        seen.push(entry.record.id);
      }
    };
    drain();
    while (seen.length < 2 * CAPACITY) {
      await follower.refill();
      drain();
    }

    holds = true;
    const scan = follower.refill();
    await answered.promise;
    changes = createDeferred<void>();
    await enqueue(store, [last]);
    await changes.promise;
    held.resolve();
    await scan;
    drain();
    holds = false;
    await follower.refill();
    drain();

    expect(new Set(seen)).toEqual(new Set([...specs, last].map(({ id }) => id)));
    ending.abort();
    await running;
  });
});

import assert from "node:assert/strict";
import { describe, test } from "vitest";
import { createVirtualClock } from "../../testing/virtual-clock.ts";
import { del, put, type Write } from "../part.ts";
import { prefixRange } from "../range.ts";
import { createMemoryStorage, openMemoryStore } from "./index.ts";

const ONE = new Uint8Array([1]);
const everything = prefixRange("");

function setup() {
  const clock = createVirtualClock();
  const storage = createMemoryStorage({ clock });
  const write = (...writes: Write[]) => storage.commit([{ guards: [], writes }]);
  return { clock, storage, store: storage.open(), write };
}

describe("memory storage", () => {
  test("the log holds every revision, and a compaction cuts it", () => {
    const { storage, write } = setup();
    for (let turn = 0; turn < 5; turn++) write(put("a", ONE), put(`b${turn}`, ONE));
    assert.deepEqual(
      storage.log.map(({ revision, events }) => [revision, events.length]),
      [2, 3, 4, 5, 6].map((revision) => [revision, 2]),
    );
    storage.compact(4);
    assert.deepEqual(
      storage.log.map(({ revision }) => revision),
      [5, 6],
    );
    assert.equal(storage.compactRevision, 4);
  });

  test("a compaction that goes back does nothing, one ahead of the store is refused", () => {
    const { storage, write } = setup();
    for (let turn = 0; turn < 5; turn++) write(put("a", ONE));
    storage.compact(4);
    storage.compact(3);
    assert.equal(storage.compactRevision, 4);
    assert.throws(() => storage.compact(7), { code: "INVALID_OPTIONS" });
    storage.compact(storage.revision);
    write(del("a"));
    storage.compact(storage.revision);
    assert.deepEqual(storage.range(everything, {}).entries, []);
    assert.deepEqual(storage.log, []);
  });

  test("a lease ends at its time to the millisecond, counted from its last renewal", async () => {
    const { clock, store } = setup();
    const lease = await store.grant(5_000);
    await store.commit([{ guards: [], writes: [put("a", ONE, lease.id)] }]);
    await clock.advance(4_000);
    await store.keepAlive(lease.id);
    await clock.advance(4_999);
    assert.notEqual(await store.get("a"), undefined);
    await clock.advance(1);
    assert.equal(await store.get("a"), undefined);
    assert.equal(clock.untilNextTimer(), undefined);
  });

  test("a value that was handed in may be reused by its owner", async () => {
    const { store } = setup();
    const value = new Uint8Array([1, 2, 3]);
    await store.commit([{ guards: [], writes: [put("a", value)] }]);
    value.fill(9);
    assert.deepEqual([...((await store.get("a"))?.value ?? [])], [1, 2, 3]);
  });

  test("a watch that waits keeps its place through a commit with a compaction", async () => {
    const { storage, store, write } = setup();
    const watch = store.watch(everything, { after: storage.revision })[Symbol.asyncIterator]();
    const next = watch.next();
    write(put("a", ONE));
    write(put("b", ONE));
    storage.compact(storage.revision - 1);
    assert.equal((await next).value?.events[0]?.key, "a");
    assert.equal((await watch.next()).value?.events[0]?.key, "b");
  });

  test("a watch whose consumer sleeps through a compaction loses its history", async () => {
    const { storage, store, write } = setup();
    const watch = store.watch(everything, { after: storage.revision })[Symbol.asyncIterator]();
    write(put("a", ONE));
    await watch.next();
    write(put("b", ONE));
    storage.compact(storage.revision);
    await assert.rejects(watch.next(), { code: "HISTORY_LOST", compactRevision: 3 });
  });

  test("a watch that ended leaves no listener behind", async () => {
    const { storage, store, write } = setup();
    const stop = new AbortController();
    const watch = store.watch(everything, { after: storage.revision, signal: stop.signal });
    const iterator = watch[Symbol.asyncIterator]();
    const next = iterator.next();
    stop.abort();
    assert.equal((await next).done, true);
    write(put("a", ONE));
    assert.equal((await iterator.next()).done, true);
  });

  test("a store of its own lives on the real clock when none is given", async () => {
    await using store = openMemoryStore();
    assert.equal(store.url, undefined);
    const lease = await store.grant(1_000);
    await store.commit([{ guards: [], writes: [put("a", ONE, lease.id)] }]);
    const { revision } = await store.range(everything);
    for await (const { events } of store.watch(everything, { after: revision })) {
      assert.deepEqual(events, [{ type: "delete", key: "a", modRevision: revision + 1 }]);
      break;
    }
  });
});

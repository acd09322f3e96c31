import assert from "node:assert/strict";
import { prefixRange } from "../range.ts";
import type { Revision, Store, WatchBatch } from "../store.ts";
import type { StoreCases } from "./harness.ts";
import { collect, lines, put, revisionOf, textAt, write } from "./support.ts";

const everything = prefixRange("");

/** Reads a watch to its end and gives all that it delivered, calling `onBatch` for each. */
async function drain(
  store: Store,
  options: { after: Revision; signal?: AbortSignal },
  onBatch: (batch: WatchBatch) => void = () => {},
): Promise<string[]> {
  const seen: string[] = [];
  for await (const batch of store.watch(everything, options)) {
    seen.push(...lines(batch.events));
    onBatch(batch);
  }
  return seen;
}

/** How a watch ends. */
export const watchEndCases: StoreCases = {
  "watch: aborting ends it quietly while it waits": async ({ store, elapse }) => {
    const before = await write(store, put("a", "1"));
    const stop = new AbortController();
    let waited: Promise<void> | undefined;
    const seen = drain(store, { after: before - 1, signal: stop.signal }, ({ events }) => {
      if (events.length > 0) waited = elapse(100).then(() => stop.abort());
    });
    assert.deepEqual(await seen, [`${before} put a=1`]);
    await waited;
  },
  "watch: aborting ends it quietly while its consumer is busy": async ({ store }) => {
    const before = await revisionOf(store);
    await write(store, put("a", "1"));
    const stop = new AbortController();
    const seen = await drain(store, { after: before, signal: stop.signal }, () => stop.abort());
    assert.ok(seen.length <= 1);
  },
  "watch: a signal that is aborted already ends it at once": async ({ store }) => {
    const before = await revisionOf(store);
    await write(store, put("a", "1"));
    assert.deepEqual(await drain(store, { after: before, signal: AbortSignal.abort() }), []);
  },
  "watch: aborting one leaves another alone": async ({ store }) => {
    const before = await revisionOf(store);
    const stop = new AbortController();
    const stopped = drain(store, { after: before, signal: stop.signal });
    const other = collect(store, everything, before, 2);
    await write(store, put("a", "1"));
    stop.abort();
    await stopped;
    await write(store, put("a", "2"));
    assert.equal((await other).length, 2);
  },
  "watch: breaking out of the loop ends it, and another may begin": async ({ store }) => {
    const before = await revisionOf(store);
    await write(store, put("a", "1"));
    for (let turn = 0; turn < 8; turn++) {
      assert.equal((await collect(store, everything, before, 1)).length, 1);
    }
    assert.equal(await textAt(store, "a"), "1");
  },
  "watch: returning from its iterator ends it": async ({ store }) => {
    const before = await revisionOf(store);
    await write(store, put("a", "1"));
    const watch = store.watch(everything, { after: before })[Symbol.asyncIterator]();
    await watch.next();
    await watch.return?.();
    await write(store, put("a", "2"));
    assert.equal((await watch.next()).done, true);
  },
  "watch: closing the store ends those that wait": async ({ store }) => {
    const after = await revisionOf(store);
    const waiting = [1, 2, 3].map(() => drain(store, { after }));
    const ended = Promise.all(
      waiting.map((each) => assert.rejects(each, { code: "STORE_CLOSED" })),
    );
    await write(store, put("a", "1"));
    await store.close();
    await ended;
  },
  "watch: closing the store ends one whose consumer is busy": async (harness) => {
    const { store } = harness;
    const after = await revisionOf(store);
    await write(store, put("a", "1"));
    const other = await harness.another();
    const watching = async () => {
      for await (const batch of store.watch(everything, { after })) {
        if (batch.events.length === 0) continue;
        await store.close();
        await write(other, put("a", "2"));
      }
    };
    await assert.rejects(watching(), { code: "STORE_CLOSED" });
  },
  "watch: after a revision that was compacted the history is lost": async (harness) => {
    const { store } = harness;
    const first = await write(store, put("a", "1"));
    for (const value of ["2", "3", "4"]) await write(store, put("a", value));
    await harness.compact(first + 3);
    await assert.rejects(collect(store, everything, first, 1), {
      code: "HISTORY_LOST",
      applied: "no",
    });
    await assert.rejects(collect(store, prefixRange("none"), first, 1), { code: "HISTORY_LOST" });
  },
  "watch: after its history is lost, a new list and watch go on": async (harness) => {
    const { store } = harness;
    const first = await write(store, put("a", "1"));
    for (const value of ["2", "3", "4"]) await write(store, put("a", value));
    await harness.compact(first + 3);
    await assert.rejects(collect(store, everything, first, 1), { code: "HISTORY_LOST" });
    const { revision } = await store.range(everything);
    const seen = collect(store, everything, revision, 1);
    await write(store, put("a", "5"));
    assert.deepEqual(lines(await seen), [`${revision + 1} put a=5`]);
  },
  "watch: after the compaction's own revision it delivers all": async (harness) => {
    const { store } = harness;
    const first = await write(store, put("a", "1"));
    for (const value of ["2", "3", "4"]) await write(store, put("a", value));
    await harness.compact(first + 1);
    assert.deepEqual(lines(await collect(store, everything, first + 1, 2)), [
      `${first + 2} put a=3`,
      `${first + 3} put a=4`,
    ]);
  },
  "watch: one that has caught up lives through a compaction": async (harness) => {
    const { store } = harness;
    const before = await write(store, put("a", "0"));
    const seen = collect(store, everything, before - 1, 3);
    await write(store, put("a", "1"));
    assert.equal((await collect(store, everything, before, 1)).length, 1);
    // A second watch has seen it: the first one is at most a moment behind.
    await harness.elapse(500);
    await harness.compact(before + 1);
    await write(store, put("a", "2"));
    assert.deepEqual(lines(await seen), [
      `${before} put a=0`,
      `${before + 1} put a=1`,
      `${before + 2} put a=2`,
    ]);
  },
  "watch: a start that is no revision is refused": async ({ store }) => {
    for (const after of [-1, 1.5, Number.NaN, 2 ** 53]) {
      await assert.rejects(collect(store, everything, after, 1), { code: "INVALID_OPTIONS" });
    }
  },
};

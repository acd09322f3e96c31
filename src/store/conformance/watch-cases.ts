import assert from "node:assert/strict";
import { del } from "../part.ts";
import { keyRange, prefixRange } from "../range.ts";
import type { WatchEvent } from "../store.ts";
import type { StoreCases } from "./harness.ts";
import {
  checkBatch,
  collect,
  lines,
  numbered,
  plain,
  put,
  putMany,
  revisionOf,
  write,
  writes,
} from "./support.ts";

const everything = prefixRange("");

/** What a watch delivers. */
export const watchCases: StoreCases = {
  "watch: it delivers what happened since a past revision": async ({ store }) => {
    const first = await write(store, put("a", "1"));
    await write(store, put("a", "2"), put("b", "1"));
    await write(store, del("a"));
    assert.deepEqual(lines(await collect(store, everything, first, 3)), [
      `${first + 1} put a=2`,
      `${first + 1} put b=1`,
      `${first + 2} delete a`,
    ]);
  },
  "watch: it delivers what happens from now on, and nothing older": async ({ store }) => {
    const now = await write(store, put("a", "1"));
    const seen = collect(store, everything, now, 2);
    await write(store, put("a", "2"));
    await write(store, del("a"));
    assert.deepEqual(lines(await seen), [`${now + 1} put a=2`, `${now + 2} delete a`]);
  },
  "watch: it goes over from past to present without gap or repetition": async ({ store }) => {
    const before = await revisionOf(store);
    for (let turn = 0; turn < 50; turn++) await write(store, put("a", String(turn)));
    const seen = collect(store, everything, before, 100);
    for (let turn = 50; turn < 100; turn++) await write(store, put("a", String(turn)));
    assert.deepEqual(
      lines(await seen),
      Array.from({ length: 100 }, (_, turn) => `${before + 1 + turn} put a=${turn}`),
    );
  },
  "watch: after a revision still to come it delivers only what is later, or refuses": async ({
    store,
  }) => {
    const now = await revisionOf(store);
    const seen = collect(store, everything, now + 2, 1).catch((error) => {
      assert.equal(error.code, "HISTORY_LOST");
      return undefined;
    });
    for (const value of ["1", "2", "3"]) await write(store, put("a", value));
    const events = await seen;
    if (events !== undefined) assert.deepEqual(lines(events), [`${now + 3} put a=3`]);
  },
  "watch: a put carries its whole entry, a delete its key and revision": async ({ store }) => {
    const { id } = await store.grant(60_000);
    const before = await revisionOf(store);
    await write(store, put("a", "1"));
    await write(store, put("a", "2", id));
    await write(store, del("a"));
    await write(store, put("a", "3"));
    const events = await collect(store, everything, before, 4);
    const at = before + 1;
    const entry = { key: "a", createRevision: at, lease: undefined };
    assert.deepEqual(
      events.map((event) => (event.type === "put" ? plain(event.entry) : event)),
      [
        { ...entry, value: "1", modRevision: at, version: 1 },
        { ...entry, value: "2", modRevision: at + 1, version: 2, lease: id },
        { type: "delete", key: "a", modRevision: at + 2 },
        { ...entry, value: "3", createRevision: at + 3, modRevision: at + 3, version: 1 },
      ],
    );
    assert.ok(events.every((event) => event.type === "delete" || event.entry.key === event.key));
    await store.revoke(id);
  },
  "watch: it delivers its range and nothing else": async ({ store }) => {
    const before = await revisionOf(store);
    await write(store, put("a", "1"), put("b/1", "1"), put("b/2", "1"), put("b0", "1"));
    await write(store, put("c", "1"));
    await write(store, del("a"), del("b/1"), put("b", "1"));
    assert.deepEqual(lines(await collect(store, prefixRange("b/"), before, 3)), [
      `${before + 1} put b/1=1`,
      `${before + 1} put b/2=1`,
      `${before + 3} delete b/1`,
    ]);
    assert.deepEqual(lines(await collect(store, keyRange("b"), before, 1)), [
      `${before + 3} put b=1`,
    ]);
    const head = collect(store, { start: "", end: "b" }, before, 2);
    assert.deepEqual(lines(await head), [`${before + 1} put a=1`, `${before + 3} delete a`]);
  },
  "watch: deleting an absent key is no change": async ({ store }) => {
    const before = await revisionOf(store);
    await write(store, del("a"), put("b", "1"));
    await write(store, del("a"));
    await write(store, put("b", "2"));
    assert.deepEqual(lines(await collect(store, everything, before, 2)), [
      `${before + 1} put b=1`,
      `${before + 2} put b=2`,
    ]);
  },
  "watch: keys of a lease that ends go together": async ({ store }) => {
    const { id } = await store.grant(60_000);
    const at = await write(store, ...numbered("k", 10).map((key) => put(key, "1", id)));
    const seen = collect(store, everything, at, 1);
    await store.revoke(id);
    assert.deepEqual(
      lines(await seen),
      numbered("k", 10).map((key) => `${at + 1} delete ${key}`),
    );
  },
  "watch: a revision of many events comes in one batch": async ({ store }) => {
    const before = await revisionOf(store);
    const live = collect(store, everything, before, 1);
    await putMany(store, numbered("k", 3_000), "1");
    assert.equal((await live).length, 3_000);
    assert.equal((await collect(store, everything, before, 1)).length, 3_000);
  },
  "watch: a revision of many bytes comes in one batch": async ({ store }) => {
    const before = await revisionOf(store);
    const live = collect(store, everything, before, 1);
    const large = "x".repeat(300_000);
    await write(store, ...numbered("k", 4).map((key) => put(key, large)));
    await write(store, ...numbered("k", 4).map((key) => put(key, large)));
    assert.equal((await live).length % 4, 0);
    const past = await collect(store, everything, before, 8);
    assert.equal(past.length, 8);
    assert.ok(past.every((event) => event.type === "put" && event.entry.value.length === 300_000));
  },
  "watch: several see the same": async (harness) => {
    const other = await harness.another();
    const before = await revisionOf(harness.store);
    const watches = [harness.store, harness.store, other, other].map((store) =>
      collect(store, prefixRange("a"), before, 60),
    );
    for (const key of numbered("a", 30)) {
      await harness.store.commit([writes(put(key, "1")), writes(put(`a/${key}`, "1"))]);
      await write(harness.store, put("b", "1"));
    }
    const [first, ...others] = (await Promise.all(watches)).map(lines);
    assert.equal(first?.length, 60);
    for (const seen of others) assert.deepEqual(seen, first);
  },
  "watch: many at once each see their own": async ({ store }) => {
    const before = await revisionOf(store);
    const keys = numbered("k", 60);
    const watches = keys.map((key) => collect(store, keyRange(key), before, 1));
    await Promise.all(keys.map((key) => write(store, put(key, key))));
    const seen = (await Promise.all(watches)).map((events) => events.map(({ key }) => key));
    assert.deepEqual(
      seen,
      keys.map((key) => [key]),
    );
  },
  "watch: a quiet range hears at last of its change": async ({ store }) => {
    const before = await revisionOf(store);
    const seen = collect(store, prefixRange("quiet"), before, 1);
    for (let turn = 0; turn < 100; turn++) await write(store, put("loud", String(turn)));
    const at = await write(store, put("quiet", "1"));
    assert.deepEqual(lines(await seen), [`${at} put quiet=1`]);
  },
  "watch: a slow consumer misses nothing": async ({ store }) => {
    const before = await revisionOf(store);
    const events: WatchEvent[] = [];
    let position = before;
    let written = 1;
    await write(store, put("a", "1"));
    for await (const batch of store.watch(everything, { after: before })) {
      checkBatch(batch, position);
      position = batch.revision;
      events.push(...batch.events);
      if (events.length === 400) break;
      for (let turn = 0; turn < 40 && written < 400; turn++) {
        written += 1;
        await write(store, put("a", String(written)));
      }
    }
    assert.deepEqual(
      lines(events),
      Array.from({ length: 400 }, (_, index) => `${before + 1 + index} put a=${index + 1}`),
    );
  },
  "watch: it may be resumed from any batch": async ({ store }) => {
    const before = await revisionOf(store);
    const writing = (async () => {
      for (let turn = 1; turn <= 100; turn++) await write(store, put("a", String(turn)));
    })();
    const events: WatchEvent[] = [];
    let position = before;
    for (let resumed = 0; events.length < 100; resumed++) {
      assert.ok(resumed < 1_000, "the watch does not go on");
      for await (const batch of store.watch(everything, { after: position })) {
        checkBatch(batch, position);
        position = batch.revision;
        events.push(...batch.events);
        break;
      }
    }
    await writing;
    assert.deepEqual(
      lines(events),
      Array.from({ length: 100 }, (_, index) => `${before + 1 + index} put a=${index + 1}`),
    );
  },
};

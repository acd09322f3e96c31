import assert from "node:assert/strict";
import { RANGE_LIMIT_MAX } from "../limits.ts";
import { del, keyPresent } from "../part.ts";
import { afterKey, keyRange, prefixRange } from "../range.ts";
import type { Entry, RangeOptions, RangePage } from "../store.ts";
import type { StoreCases } from "./harness.ts";
import { commitPart, numbered, plain, put, putMany, revisionOf, textAt, write } from "./support.ts";

const keysOf = ({ entries }: RangePage): string[] => entries.map(({ key }) => key);

/** Reading what is there now. */
export const rangeCases: StoreCases = {
  "get: an absent key has no entry": async ({ store }) => {
    assert.equal(await store.get("a"), undefined);
  },
  "get: a key that cannot be written is absent": async ({ store }) => {
    await write(store, put("a", "1"));
    for (const key of ["", "a\0", "\x7f", "ü", "k".repeat(1_025)]) {
      assert.equal(await store.get(key), undefined);
    }
  },
  "get: it does not take a longer or shorter key for its own": async ({ store }) => {
    await write(store, put("ab", "1"));
    assert.equal(await store.get("a"), undefined);
    assert.equal(await store.get("abc"), undefined);
  },
  "get: it sees every commit that resolved before": async ({ store, another }) => {
    const reader = await another();
    for (let turn = 0; turn < 50; turn++) {
      await write(store, put("a", String(turn)));
      assert.equal(await textAt(store, "a"), String(turn));
      assert.equal(await textAt(reader, "a"), String(turn));
    }
  },
  "range: an empty store has an empty page with a revision": async ({ store }) => {
    const page = await store.range(prefixRange(""), { count: true });
    assert.deepEqual([page.entries, page.more, page.count], [[], false, 0]);
    assert.ok(Number.isSafeInteger(page.revision) && page.revision >= 1);
  },
  "range: keys come in byte order, whatever order they were written in": async ({ store }) => {
    const characters = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index));
    const keys = [...characters, "aa", "a~", "a ", "A", "Zz", "~~"].filter(
      (key, index, all) => all.indexOf(key) === index,
    );
    await putMany(store, [...keys].reverse(), "1");
    assert.deepEqual(keysOf(await store.range(prefixRange(""))), [...keys].sort());
  },
  "range: the start belongs to it and the end does not": async ({ store }) => {
    await putMany(store, ["a", "b", "c", "d"], "1");
    assert.deepEqual(keysOf(await store.range({ start: "b", end: "d" })), ["b", "c"]);
    assert.deepEqual(keysOf(await store.range({ start: "", end: "b" })), ["a"]);
    assert.deepEqual(keysOf(await store.range({ start: "aa", end: "cc" })), ["b", "c"]);
  },
  "range: an end at or before the start makes it empty": async ({ store }) => {
    await putMany(store, ["a", "b"], "1");
    for (const range of [
      { start: "b", end: "a" },
      { start: "a", end: "a" },
      { start: "a", end: "" },
      { start: "", end: "" },
    ]) {
      const page = await store.range(range, { count: true });
      assert.deepEqual([page.entries, page.more, page.count], [[], false, 0]);
    }
  },
  "range: a prefix holds its own key, all longer ones and no other": async ({ store }) => {
    await putMany(store, ["a", "b/", "b", "b/1", "b/~", "b0", "c"], "1");
    assert.deepEqual(keysOf(await store.range(prefixRange("b/"))), ["b/", "b/1", "b/~"]);
    assert.deepEqual(keysOf(await store.range(prefixRange("~"))), []);
    assert.deepEqual(keysOf(await store.range(keyRange("b"))), ["b"]);
  },
  "range: entries are whole": async ({ store }) => {
    const lease = await store.grant(60_000);
    await write(store, put("a", "1"));
    await write(store, put("a", "2", lease.id));
    const { entries } = await store.range(prefixRange("a"));
    assert.deepEqual(entries.map(plain), [plain(await store.get("a"))]);
    assert.equal(entries[0]?.lease, lease.id);
    assert.equal(entries[0]?.version, 2);
    await store.revoke(lease.id);
  },
  "range: a limit cuts it and says whether there is more": async ({ store }) => {
    await putMany(store, ["a", "b", "c"], "1");
    const cut = await store.range(prefixRange(""), { limit: 2 });
    assert.deepEqual([keysOf(cut), cut.more], [["a", "b"], true]);
    const whole = await store.range(prefixRange(""), { limit: 3 });
    assert.deepEqual([keysOf(whole), whole.more], [["a", "b", "c"], false]);
  },
  "range: without a limit a page has at most the largest limit": async ({ store }) => {
    await putMany(store, numbered("k", RANGE_LIMIT_MAX + 1), "1");
    const page = await store.range(prefixRange("k"));
    assert.deepEqual([page.entries.length, page.more], [RANGE_LIMIT_MAX, true]);
    const last = await store.range({ start: afterKey(page.entries.at(-1)?.key ?? ""), end: "l" });
    assert.deepEqual([keysOf(last), last.more], [["k1000"], false]);
  },
  "range: a limit out of bounds is refused": async ({ store }) => {
    for (const limit of [0, -1, 1.5, Number.NaN, RANGE_LIMIT_MAX + 1]) {
      await assert.rejects(store.range(prefixRange(""), { limit }), { code: "INVALID_OPTIONS" });
    }
  },
  "range: a count counts all keys, and only when asked for": async ({ store }) => {
    await putMany(store, numbered("k", 50), "1");
    await write(store, del("k0007"), put("other", "1"));
    const counted = await store.range(prefixRange("k"), { limit: 5, count: true });
    assert.deepEqual([counted.entries.length, counted.more, counted.count], [5, true, 49]);
    assert.equal((await store.range(prefixRange("k"), { limit: 5 })).count, undefined);
    assert.equal((await store.range(prefixRange("k"), { count: false })).count, undefined);
  },
  "range: it shows the newest revision, also when another key changed": async ({ store }) => {
    await write(store, put("a", "1"));
    const newest = await write(store, put("elsewhere", "1"));
    assert.equal((await store.range(prefixRange("a"))).revision, newest);
    const missed = { guards: [keyPresent("x")], writes: [put("a", "1")] };
    await commitPart(store, missed);
    assert.equal((await store.range(prefixRange("a"))).revision, newest);
  },
  "range: a page of large values arrives whole": async ({ store }) => {
    const large = "x".repeat(1_000_000);
    for (const key of numbered("k", 6)) await write(store, put(key, large));
    const { entries, more } = await store.range(prefixRange("k"));
    assert.deepEqual([entries.length, more], [6, false]);
    assert.ok(entries.every(({ value }) => value.byteLength === large.length));
  },
};

/** Reading what was there at a past revision. */
export const pastCases: StoreCases = {
  "past: a range as of a revision shows the values of that time": async ({ store }) => {
    await write(store, put("a", "1"), put("b", "1"));
    const then = await write(store, put("a", "2"), put("c", "1"));
    await write(store, put("a", "3"), del("b"), put("d", "1"));
    await write(store, del("c"));
    const page = await store.range(prefixRange(""), { revision: then, count: true });
    assert.deepEqual(
      page.entries.map((entry) => plain(entry)),
      [
        { key: "a", value: "2", createRevision: then - 1, modRevision: then, version: 2 },
        { key: "b", value: "1", createRevision: then - 1, modRevision: then - 1, version: 1 },
        { key: "c", value: "1", createRevision: then, modRevision: then, version: 1 },
      ].map((entry) => ({ ...entry, lease: undefined })),
    );
    assert.deepEqual([page.revision, page.more, page.count], [then, false, 3]);
  },
  "past: pages of one revision are one snapshot under concurrent writes": async (harness) => {
    const { store } = harness;
    const writer = await harness.another();
    const keys = numbered("k", 100);
    await putMany(store, keys, "old");
    const options: RangeOptions = { limit: 7 };
    let page = await store.range(prefixRange("k"), options);
    const seen: Entry[] = [...page.entries];
    const { revision } = page;
    for (let turn = 0; page.more; turn++) {
      assert.ok(turn < 20);
      await write(writer, put(`k0000-${turn}`, "new"), put("k0099", "new"), del(`k00${50 + turn}`));
      const start = afterKey(page.entries.at(-1)?.key ?? "");
      page = await store.range({ start, end: "l" }, { ...options, revision });
      assert.equal(page.revision, revision);
      seen.push(...page.entries);
    }
    assert.deepEqual(
      seen.map(({ key }) => key),
      keys,
    );
    assert.ok(seen.every((entry) => new TextDecoder().decode(entry.value) === "old"));
  },
  "past: a limit and a count hold at a past revision": async ({ store }) => {
    const then = await putMany(store, numbered("k", 10), "1");
    await write(store, del("k0003"), put("k9", "1"), put("k8", "1"));
    const page = await store.range(prefixRange("k"), { revision: then, limit: 4, count: true });
    assert.deepEqual([keysOf(page), page.more], [numbered("k", 4), true]);
    assert.equal(page.count, 10);
  },
  "past: the newest revision may be asked for by number": async ({ store }) => {
    await write(store, put("a", "1"));
    const newest = await write(store, put("a", "2"));
    const page = await store.range(prefixRange("a"), { revision: newest });
    assert.deepEqual(page.entries.map(plain), [plain(await store.get("a"))]);
  },
  "past: a revision ahead of the store is unavailable": async ({ store }) => {
    const revision = (await revisionOf(store)) + 1_000;
    await assert.rejects(store.range(prefixRange(""), { revision }), {
      code: "STORE_UNAVAILABLE",
      applied: "no",
    });
  },
  "past: a revision that is no whole number from 1 is refused": async ({ store }) => {
    for (const revision of [0, -1, 1.5, Number.NaN, 2 ** 53]) {
      await assert.rejects(store.range(prefixRange(""), { revision }), { code: "INVALID_OPTIONS" });
    }
  },
  "past: below the compaction the history is lost": async ({ store, compact }) => {
    const first = await write(store, put("a", "1"));
    const second = await write(store, put("a", "2"));
    await write(store, put("a", "3"));
    await compact(second);
    await assert.rejects(store.range(prefixRange(""), { revision: first }), {
      code: "HISTORY_LOST",
      applied: "no",
    });
  },
  "past: the compaction's own revision and later ones stay readable": async (harness) => {
    const { store, compact } = harness;
    await write(store, put("a", "1"), put("gone", "1"));
    await write(store, put("a", "2"), del("gone"), put("later", "1"));
    const kept = await write(store, put("b", "1"));
    const next = await write(store, put("a", "3"), del("later"));
    await write(store, put("a", "4"));
    await compact(kept);
    const shown = async (revision: number) =>
      (await store.range(prefixRange(""), { revision })).entries.map(
        ({ key, value }) => `${key}=${new TextDecoder().decode(value)}`,
      );
    assert.deepEqual(await shown(kept), ["a=2", "b=1", "later=1"]);
    assert.deepEqual(await shown(next), ["a=3", "b=1"]);
    assert.deepEqual(plain(await store.get("a")), {
      ...{ key: "a", value: "4", createRevision: kept - 2, modRevision: next + 1 },
      ...{ version: 4, lease: undefined },
    });
  },
};

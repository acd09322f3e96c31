import assert from "node:assert/strict";
import * as limits from "../limits.ts";
import { del, keyAbsent, keyPresent, type Part, put as putBytes } from "../part.ts";
import { prefixRange } from "../range.ts";
import type { StoreCases } from "./harness.ts";
import { commitPart, numbered, put, refused, revisionOf, write, writes } from "./support.ts";

const { COMMIT_BYTES_MAX, COMMIT_PARTS_MAX, KEY_BYTES_MAX, PART_OPS_MAX, VALUE_BYTES_MAX } = limits;

/** A part that brings a commit to exactly `bytes` bytes, in at most two values. */
function partOf(prefix: string, bytes: number): Part {
  const half = Math.floor(bytes / 2);
  const frame = limits.partBytes(writes(put(`${prefix}0`, "")));
  return writes(
    putBytes(`${prefix}0`, new Uint8Array(half - frame)),
    putBytes(`${prefix}1`, new Uint8Array(bytes - half - frame)),
  );
}

/** A commit with as many parts and operations as are allowed. */
function largest(holds: boolean): Part[] {
  return numbered("p", COMMIT_PARTS_MAX).map((name) => {
    const keys = numbered(`${name}/`, PART_OPS_MAX);
    return {
      guards: keys.map((key) => (holds ? keyAbsent(key) : keyPresent(`${key}-not`))),
      writes: keys.map((key) => put(key, "1")),
      otherwise: keys,
    };
  });
}

/** The sizes of `store/limits.ts`: what is allowed works, what is not is refused. */
export const limitCases: StoreCases = {
  "limits: the longest key can be written, read, listed and deleted": async (harness) => {
    const { store } = harness;
    const key = "k".repeat(KEY_BYTES_MAX - harness.namespaceBytes);
    const at = await write(store, put(key, "1"));
    assert.equal((await store.get(key))?.key, key);
    assert.equal((await store.range(prefixRange("k"))).entries[0]?.key, key);
    const guards = [{ key, is: "unchanged", modRevision: at } as const];
    const { applied } = await commitPart(store, { guards, writes: [del(key)] });
    assert.equal(applied, true);
    assert.equal(await store.get(key), undefined);
  },
  "limits: long keys that differ in their last character are two keys": async (harness) => {
    const { store } = harness;
    const stem = "k".repeat(KEY_BYTES_MAX - harness.namespaceBytes - 1);
    await write(store, put(`${stem}1`, "1"), put(`${stem}2`, "2"));
    const { entries } = await store.range(prefixRange(stem));
    assert.deepEqual(
      entries.map(({ key }) => key.slice(-1)),
      ["1", "2"],
    );
  },
  "limits: a key that is empty, too long or not printable ASCII is refused": async (harness) => {
    const { store } = harness;
    const long = "k".repeat(KEY_BYTES_MAX - harness.namespaceBytes + 1);
    const keys = ["", long, "a\0", "\n", "a\x7f", "ü", "€", "a\u{1f600}"];
    for (const key of keys) {
      await refused(store, writes(put(key, "1")));
      await refused(store, writes(del(key)));
      await refused(store, { guards: [keyAbsent(key)], writes: [put("a", "1")] });
      await refused(store, { guards: [], writes: [put("a", "1")], otherwise: [key] });
    }
  },
  "limits: the largest value is kept whole": async ({ store }) => {
    const value = Uint8Array.from({ length: VALUE_BYTES_MAX }, (_, index) => index % 251);
    await write(store, putBytes("a", value));
    assert.ok(Buffer.from(value).equals((await store.get("a"))?.value ?? new Uint8Array()));
    const { entries } = await store.range(prefixRange("a"));
    assert.ok(Buffer.from(value).equals(entries[0]?.value ?? new Uint8Array()));
  },
  "limits: a value that is too large is refused": async ({ store }) => {
    await refused(store, writes(putBytes("a", new Uint8Array(VALUE_BYTES_MAX + 1))));
  },
  "limits: a commit of most bytes is applied, one byte more is refused": async (harness) => {
    const { store } = harness;
    const bytesMax = COMMIT_BYTES_MAX - 4 * harness.namespaceBytes;
    await refused(store, partOf("a", 1_000), partOf("b", bytesMax - 999));
    const results = await store.commit([partOf("a", 1_000), partOf("b", bytesMax - 1_000)]);
    assert.ok(results.every(({ applied }) => applied));
  },
  "limits: most parts of most operations are applied together": async ({ store }) => {
    const before = await revisionOf(store);
    const results = await store.commit(largest(true));
    assert.equal(results.length, COMMIT_PARTS_MAX);
    assert.ok(results.every(({ applied, revision }) => applied && revision === before + 1));
    const { count } = await store.range(prefixRange("p"), { limit: 1, count: true });
    assert.equal(count, COMMIT_PARTS_MAX * PART_OPS_MAX);
    const again = await store.commit(largest(true));
    for (const { applied, reads } of again) {
      assert.equal(applied, false);
      assert.ok(reads.length === PART_OPS_MAX && reads.every((entry) => entry !== undefined));
    }
  },
  "limits: most parts of which none holds change nothing": async ({ store }) => {
    const before = await revisionOf(store);
    const results = await store.commit(largest(false));
    assert.ok(results.every(({ applied, reads }) => !applied && reads.length === PART_OPS_MAX));
    assert.equal(await revisionOf(store), before);
  },
  "limits: a commit without parts or with too many is refused": async ({ store }) => {
    await refused(store);
    const keys = numbered("k", COMMIT_PARTS_MAX + 1);
    await refused(store, ...keys.map((key) => writes(put(key, "1"))));
  },
  "limits: a part without writes is refused": async ({ store }) => {
    await refused(store, { guards: [keyAbsent("a")], writes: [] });
    await refused(store, writes(put("a", "1")), { guards: [], writes: [], otherwise: ["b"] });
  },
  "limits: a part with too many guards, writes or reads is refused": async ({ store }) => {
    const keys = numbered("k", PART_OPS_MAX + 1);
    await refused(store, { guards: keys.map(keyAbsent), writes: [put("a", "1")] });
    await refused(store, writes(...keys.map((key) => put(key, "1"))));
    await refused(store, { guards: [], writes: [put("a", "1")], otherwise: keys });
  },
  "limits: a witness that its part does not put is refused": async ({ store }) => {
    await refused(store, { ...writes(put("a", "1")), witness: "b" });
    await refused(store, { ...writes(del("a")), witness: "a" });
  },
  "limits: a key that one part writes twice is refused": async ({ store }) => {
    await refused(store, writes(put("a", "1"), put("a", "2")));
    await refused(store, writes(put("a", "1"), del("a")));
    await refused(store, writes(del("a"), del("a")));
  },
  "limits: a key that two parts write is refused": async ({ store }) => {
    await refused(store, writes(put("a", "1")), writes(put("a", "1")));
    await refused(store, writes(put("a", "1")), writes(del("a")));
  },
  "limits: a key that one part writes and another looks at is refused": async ({ store }) => {
    const looking: Part = { guards: [keyAbsent("a")], writes: [put("b", "1")] };
    const reading: Part = { guards: [], writes: [put("b", "1")], otherwise: ["a"] };
    for (const part of [looking, reading]) {
      await refused(store, part, writes(put("a", "1")));
      await refused(store, writes(del("a")), part);
    }
  },
};

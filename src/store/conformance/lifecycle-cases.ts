import assert from "node:assert/strict";
import { prefixRange } from "../range.ts";
import type { StoreCases } from "./harness.ts";
import { collect, lines, numbered, plain, put, revisionOf, textAt, write } from "./support.ts";

/** Opening, sharing and closing. */
export const lifecycleCases: StoreCases = {
  "lifecycle: another client sees the same data and the same revisions": async (harness) => {
    const { store } = harness;
    const at = await write(store, put("a", "1"));
    const other = await harness.another();
    assert.deepEqual(plain(await other.get("a")), plain(await store.get("a")));
    assert.equal(await write(other, put("b", "1")), at + 1);
    assert.equal(await textAt(store, "b"), "1");
    assert.equal(await revisionOf(store), await revisionOf(other));
  },
  "lifecycle: another client's watch delivers this one's commits": async (harness) => {
    const { store } = harness;
    const other = await harness.another();
    const before = await revisionOf(store);
    const seen = collect(other, prefixRange("a"), before, 20);
    for (const key of numbered("a", 20)) await write(store, put(key, "1"));
    const events = lines(await seen);
    assert.deepEqual(
      events,
      numbered("a", 20).map((key, index) => `${before + 1 + index} put ${key}=1`),
    );
  },
  "lifecycle: data outlives the client that wrote it": async (harness) => {
    const writer = await harness.another();
    await write(writer, put("a", "1"));
    await writer.close();
    assert.equal(await textAt(harness.store, "a"), "1");
    assert.equal(await textAt(await harness.another(), "a"), "1");
  },
  "lifecycle: a client that is opened late sees history": async (harness) => {
    const first = await write(harness.store, put("a", "1"));
    await write(harness.store, put("a", "2"));
    const late = await harness.another();
    const page = await late.range(prefixRange("a"), { revision: first });
    assert.deepEqual(
      page.entries.map((entry) => entry.version),
      [1],
    );
    assert.equal((await collect(late, prefixRange("a"), first - 1, 2)).length, 2);
  },
  "lifecycle: a closed store refuses every call, and nothing is sent": async (harness) => {
    const { store } = harness;
    const other = await harness.another();
    const { id } = await store.grant(60_000);
    const at = await write(store, put("a", "1", id));
    await store.close();
    const closed = { code: "STORE_CLOSED", applied: "no" };
    await assert.rejects(store.get("a"), closed);
    await assert.rejects(store.range(prefixRange("")), closed);
    await assert.rejects(write(store, put("b", "1")), closed);
    await assert.rejects(store.grant(10_000), closed);
    await assert.rejects(store.keepAlive(id), closed);
    await assert.rejects(store.revoke(id), closed);
    await assert.rejects(collect(store, prefixRange(""), 0, 1), { code: "STORE_CLOSED" });
    assert.equal(await revisionOf(other), at);
    await other.revoke(id);
  },
  "lifecycle: closing twice, and at once, is no error": async ({ store }) => {
    await Promise.all([store.close(), store.close()]);
    await store.close();
    await store[Symbol.asyncDispose]();
  },
  "lifecycle: disposing closes": async (harness) => {
    const client = await harness.another();
    await client[Symbol.asyncDispose]();
    await assert.rejects(client.get("a"), { code: "STORE_CLOSED" });
  },
  "lifecycle: closing one client leaves another and its watch alone": async (harness) => {
    const other = await harness.another();
    const before = await revisionOf(other);
    const seen = collect(other, prefixRange("a"), before, 2);
    await write(harness.store, put("a", "1"));
    await harness.store.close();
    await write(other, put("a", "2"));
    assert.deepEqual(lines(await seen), [`${before + 1} put a=1`, `${before + 2} put a=2`]);
  },
  "lifecycle: closing waits for commits under way": async (harness) => {
    const client = await harness.another();
    const keys = numbered("k", 20);
    const commits = Promise.all(keys.map((key) => write(client, put(key, "1"))));
    await client.close();
    await commits;
    const { entries } = await harness.store.range(prefixRange("k"));
    assert.equal(entries.length, keys.length);
  },
};

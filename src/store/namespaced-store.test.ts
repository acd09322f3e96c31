import { expect, test } from "vitest";
import { openMemoryStore } from "./memory/index.ts";
import { createNamespacedStore } from "./namespaced-store.ts";
import { del, keyAbsent, keyPresent, put } from "./part.ts";
import { keyRange, prefixRange } from "./range.ts";
import type { WatchBatch } from "./store.ts";

const text = (value: Uint8Array | undefined) => value && Buffer.from(value).toString();
const bytes = (value: string) => Buffer.from(value);

function setup() {
  const whole = openMemoryStore();
  return { whole, store: createNamespacedStore(whole, "a/b/") };
}

test("namespace: a key is written under the prefix and read without it", async () => {
  const { whole, store } = setup();
  await store.commit([{ guards: [keyAbsent("k")], writes: [put("k", bytes("1"))] }]);
  expect(text((await whole.get("a/b/k"))?.value)).toBe("1");
  expect(await whole.get("k")).toBeUndefined();
  expect(await store.get("k")).toMatchObject({ key: "k", version: 1 });
  expect(await store.get("a/b/k")).toBeUndefined();
});

test("namespace: ranges see the prefix's keys alone, from the first to the last", async () => {
  const { whole, store } = setup();
  const keys = ["a/a", "a/b", "a/b/", "a/b/!", "a/b/k", "a/b/~", "a/b0", "a/c/k"];
  for (const key of keys) {
    await whole.commit([{ guards: [], writes: [put(key, bytes("v"))] }]);
  }
  const all = await store.range({ start: "", end: prefixRange("").end }, { count: true });
  expect(all.entries.map((entry) => entry.key)).toEqual(["", "!", "k", "~"]);
  expect(all).toMatchObject({ count: 4, more: false });
  const one = await store.range(keyRange("k"));
  expect(one.entries.map((entry) => entry.key)).toEqual(["k"]);
  const paged = await store.range(prefixRange(""), { limit: 1, revision: 6 });
  expect(paged).toMatchObject({ more: true, revision: 6 });
});

test("namespace: guards, reads and witness of a part are under the prefix", async () => {
  const { whole, store } = setup();
  await whole.commit([{ guards: [], writes: [put("k", bytes("outside"))] }]);
  const part = {
    guards: [keyPresent("k")],
    writes: [put("w", bytes("nonce")), del("gone")],
    otherwise: ["k", "other"],
    witness: "w",
  };
  await whole.commit([{ guards: [], writes: [put("a/b/other", bytes("inside"))] }]);
  const [refused] = await store.commit([part]);
  expect(refused?.applied).toBe(false);
  expect(refused?.reads.map((entry) => entry?.key)).toEqual([undefined, "other"]);
  await store.commit([{ guards: [], writes: [put("k", bytes("1"))] }]);
  const [applied] = await store.commit([part]);
  expect(applied).toMatchObject({ applied: true, reads: [] });
  expect(text((await whole.get("a/b/w"))?.value)).toBe("nonce");
});

test("namespace: watch events have keys without the prefix, none from outside", async () => {
  const { whole, store } = setup();
  const controller = new AbortController();
  const seen: WatchBatch[] = [];
  const watching = (async () => {
    const options = { after: 0, signal: controller.signal };
    for await (const batch of store.watch(prefixRange(""), options)) {
      seen.push(batch);
      if (seen.flatMap((each) => each.events).length === 2) controller.abort();
    }
  })();
  await whole.commit([{ guards: [], writes: [put("k", bytes("outside"))] }]);
  await store.commit([{ guards: [], writes: [put("k", bytes("1"))] }]);
  await store.commit([{ guards: [], writes: [del("k")] }]);
  await watching;
  const events = seen.flatMap((batch) => batch.events);
  expect(events).toMatchObject([
    { type: "put", key: "k", entry: { key: "k" } },
    { type: "delete", key: "k" },
  ]);
  expect(seen.at(-1)?.revision).toBe(events.at(-1)?.modRevision);
});

test("namespace: leaving the loop ends the watch of the store below", async () => {
  const { store } = setup();
  await store.commit([{ guards: [], writes: [put("k", bytes("1"))] }]);
  let batches = 0;
  for await (const _ of store.watch(prefixRange(""), { after: 0 })) {
    batches += 1;
    break;
  }
  expect(batches).toBe(1);
});

test("namespace: leases are the whole store's", async () => {
  const { whole, store } = setup();
  const { id } = await store.grant(5_000);
  await store.keepAlive(id);
  await store.commit([{ guards: [], writes: [put("leased", bytes("1"), id)] }]);
  expect((await store.get("leased"))?.lease).toBe(id);
  await whole.revoke(id);
  expect(await store.get("leased")).toBeUndefined();
});

test("namespace: closing it closes the store below", async () => {
  const { whole, store } = setup();
  expect(store.url).toBe(whole.url);
  await store.close();
  await expect(whole.get("k")).rejects.toMatchObject({ code: "STORE_CLOSED" });
});

test.each(["", "a", "é/", "a\n/", `${"x".repeat(256)}/`])("namespace: %j is refused", (prefix) => {
  const { whole } = setup();
  expect(() => createNamespacedStore(whole, prefix)).toThrow(
    expect.objectContaining({ code: "INVALID_OPTIONS" }),
  );
});

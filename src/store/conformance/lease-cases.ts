import assert from "node:assert/strict";
import { LEASE_TTL_MS_MAX, LEASE_TTL_MS_MIN } from "../limits.ts";
import { del, keyAbsent, keyCreatedAt, keyPresent } from "../part.ts";
import { prefixRange } from "../range.ts";
import type { StoreCases } from "./harness.ts";
import {
  collect,
  commitPart,
  elapseUntilGone,
  lines,
  plain,
  put,
  revisionOf,
  textAt,
  write,
  writes,
} from "./support.ts";

/** Leases and the keys attached to them. */
export const leaseCases: StoreCases = {
  "lease: each has an id of its own and at least the time asked for": async ({ store }) => {
    const [one, other] = [await store.grant(LEASE_TTL_MS_MIN), await store.grant(10_000)];
    assert.notEqual(one.id, other.id);
    assert.ok(one.ttlMs >= LEASE_TTL_MS_MIN && other.ttlMs >= 10_000);
    await store.revoke(one.id);
    await store.revoke(other.id);
  },
  "lease: a time that is no whole seconds is not cut short": async ({ store }) => {
    const { id, ttlMs } = await store.grant(4_001);
    assert.ok(ttlMs >= 4_001);
    await store.revoke(id);
  },
  "lease: the longest time is granted": async ({ store }) => {
    const { id, ttlMs } = await store.grant(LEASE_TTL_MS_MAX);
    assert.ok(ttlMs >= LEASE_TTL_MS_MAX);
    await store.revoke(id);
  },
  "lease: a time out of bounds is refused": async ({ store }) => {
    for (const ttlMs of [0, -1, LEASE_TTL_MS_MIN - 1, LEASE_TTL_MS_MAX + 1, 1_500.5, Number.NaN]) {
      await assert.rejects(store.grant(ttlMs), { code: "INVALID_OPTIONS" });
    }
  },
  "lease: granting, renewing and ending an empty one raises no revision": async ({ store }) => {
    const before = await write(store, put("a", "1"));
    const { id } = await store.grant(10_000);
    await store.keepAlive(id);
    await store.revoke(id);
    assert.equal(await revisionOf(store), before);
  },
  "lease: expiry deletes its keys, and only those, at one revision": async (harness) => {
    const { store } = harness;
    const { id, ttlMs } = await store.grant(LEASE_TTL_MS_MIN);
    const other = await store.grant(60_000);
    const at = await write(
      store,
      ...[put("a", "1", id), put("b", "1", id), put("c", "1", id), put("d", "1", id)],
      ...[put("free", "1"), put("other", "1", other.id)],
    );
    await write(store, put("b", "2"));
    await write(store, put("c", "2", other.id));
    await elapseUntilGone(harness, "a", ttlMs / 4);
    const { entries, revision } = await store.range(prefixRange(""));
    assert.deepEqual(
      entries.map(({ key }) => key),
      ["b", "c", "free", "other"],
    );
    assert.equal(revision, at + 3);
    assert.deepEqual(lines(await collect(store, prefixRange(""), at + 2, 2)), [
      `${at + 3} delete a`,
      `${at + 3} delete d`,
    ]);
    await assert.rejects(store.keepAlive(id), { code: "LEASE_LOST", lease: id });
    await assert.rejects(store.commit([writes(put("e", "1", id))]), { code: "LEASE_LOST" });
    await store.revoke(id);
    await store.revoke(other.id);
  },
  "lease: it lives as long as it is kept alive, and does not end before its time": async (
    harness,
  ) => {
    const { store, elapse } = harness;
    const { id, ttlMs } = await store.grant(2 * LEASE_TTL_MS_MIN);
    const at = await write(store, put("a", "1", id));
    for (let turn = 0; turn < 3; turn++) {
      await elapse(ttlMs / 2);
      assert.equal((await store.get("a"))?.createRevision, at);
      await store.keepAlive(id);
    }
    const guarded = { guards: [keyCreatedAt("a", at)], writes: [put("b", "1")] };
    assert.equal((await commitPart(store, guarded)).applied, true);
    await store.revoke(id);
  },
  "lease: another client may keep it alive, use it and end it": async (harness) => {
    const { store } = harness;
    const other = await harness.another();
    const { id } = await store.grant(60_000);
    await other.keepAlive(id);
    await write(other, put("a", "1", id));
    assert.equal((await store.get("a"))?.lease, id);
    await other.revoke(id);
    assert.equal(await store.get("a"), undefined);
    await assert.rejects(store.keepAlive(id), { code: "LEASE_LOST" });
  },
  "lease: it outlives the client that asked for it": async (harness) => {
    const client = await harness.another();
    const { id } = await client.grant(60_000);
    await write(client, put("a", "1", id));
    await client.close();
    assert.equal(await textAt(harness.store, "a"), "1");
    await harness.store.keepAlive(id);
    await harness.store.revoke(id);
  },
  "lease: revoking deletes its keys at one revision": async ({ store }) => {
    const { id } = await store.grant(60_000);
    const at = await write(store, put("a", "1", id), put("b", "1", id), put("c", "1"));
    await store.revoke(id);
    assert.equal(await revisionOf(store), at + 1);
    assert.deepEqual(lines(await collect(store, prefixRange(""), at, 2)), [
      `${at + 1} delete a`,
      `${at + 1} delete b`,
    ]);
    assert.equal(await textAt(store, "c"), "1");
  },
  "lease: revoking one that is gone, or never was, is no error": async ({ store }) => {
    const before = await revisionOf(store);
    const { id } = await store.grant(60_000);
    await store.revoke(id);
    await store.revoke(id);
    await store.revoke("4711");
    await store.revoke("no lease at all");
    assert.equal(await revisionOf(store), before);
  },
  "lease: keeping alive one that is gone, or never was, is refused": async ({ store }) => {
    const { id } = await store.grant(60_000);
    await store.revoke(id);
    for (const lease of [id, "4711", "no lease at all"]) {
      await assert.rejects(store.keepAlive(lease), { code: "LEASE_LOST", applied: "no", lease });
    }
  },
  "lease: a put on one that does not exist refuses the whole commit": async ({ store }) => {
    const { id } = await store.grant(60_000);
    await store.revoke(id);
    const before = await write(store, put("a", "1"));
    for (const lease of [id, "4711", "no lease at all"]) {
      const parts = [writes(put("b", "1"), del("a")), writes(put("c", "1", lease))];
      await assert.rejects(store.commit(parts), { code: "LEASE_LOST", applied: "no" });
    }
    assert.equal(await revisionOf(store), before);
    assert.equal(await textAt(store, "a"), "1");
    assert.equal(await store.get("b"), undefined);
  },
  "lease: a part that does not hold may name one that does not exist": async ({ store }) => {
    const { id } = await store.grant(60_000);
    await store.revoke(id);
    const results = await store.commit([
      { guards: [keyPresent("x")], writes: [put("a", "1", id)] },
      { guards: [keyAbsent("x")], writes: [put("b", "1")] },
    ]);
    assert.deepEqual(
      results.map(({ applied }) => applied),
      [false, true],
    );
  },
  "lease: a put without a lease frees the key": async ({ store }) => {
    const { id } = await store.grant(60_000);
    await write(store, put("a", "1", id));
    await write(store, put("a", "2"));
    assert.equal((await store.get("a"))?.lease, undefined);
    await store.revoke(id);
    assert.equal(await textAt(store, "a"), "2");
  },
  "lease: a put with another lease moves the key": async ({ store }) => {
    const [first, second] = [await store.grant(60_000), await store.grant(60_000)];
    await write(store, put("a", "1", first.id));
    await write(store, put("a", "2", second.id));
    assert.equal((await store.get("a"))?.lease, second.id);
    await store.revoke(first.id);
    assert.equal(await textAt(store, "a"), "2");
    await store.revoke(second.id);
    assert.equal(await store.get("a"), undefined);
  },
  "lease: a key deleted and made again without it is free": async ({ store }) => {
    const { id } = await store.grant(60_000);
    await write(store, put("a", "1", id));
    await write(store, del("a"));
    await write(store, put("a", "2"));
    await store.revoke(id);
    assert.equal(await textAt(store, "a"), "2");
  },
  "lease: a key deleted and attached again goes with it": async ({ store }) => {
    const { id } = await store.grant(60_000);
    await write(store, put("a", "1", id));
    await write(store, del("a"));
    const at = await write(store, put("a", "2", id));
    const entry = { key: "a", value: "2", createRevision: at, modRevision: at, version: 1 };
    assert.deepEqual(plain(await store.get("a")), { ...entry, lease: id });
    await store.revoke(id);
    assert.equal(await store.get("a"), undefined);
  },
};

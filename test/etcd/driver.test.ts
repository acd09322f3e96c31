import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type EtcdStore, openEtcdStore } from "../../src/store/etcd/index.ts";
import { COMMIT_PARTS_MAX, PART_OPS_MAX, VALUE_BYTES_MAX } from "../../src/store/limits.ts";
import {
  del,
  keyAbsent,
  keyCreatedAt,
  keyUnchanged,
  type Part,
  put,
} from "../../src/store/part.ts";
import { afterKey, keyRange, prefixRange } from "../../src/store/range.ts";
import { optionsOf, putPart, takeEvents } from "../support/etcd-driver.ts";
import { type EtcdServer, startEtcd } from "../support/etcd-server.ts";

describe.each(["3.4", "3.5"] as const)("driver on etcd %s", (line) => {
  let server: EtcdServer;
  let store: EtcdStore;

  beforeAll(async () => {
    server = await startEtcd({ line });
    store = await openEtcdStore(optionsOf(server.url));
  });

  afterAll(async () => {
    await store.close();
    await server.stop();
  });

  test("commit: parts stand or fall alone, at one revision", async () => {
    const [first] = await store.commit([putPart("alone/a"), putPart("alone/b")]);
    const revision = first?.revision ?? 0;
    const results = await store.commit([
      { guards: [keyAbsent("alone/a")], writes: [put("alone/x", Buffer.from("x"))] },
      {
        guards: [keyUnchanged("alone/b", revision)],
        writes: [put("alone/c", Buffer.from("c")), del("alone/b")],
      },
      {
        guards: [keyCreatedAt("alone/a", revision + 9)],
        writes: [put("alone/y", Buffer.from("y"))],
        otherwise: ["alone/a", "alone/z"],
      },
    ]);
    expect(results).toEqual([
      { applied: false, revision, reads: [] },
      { applied: true, revision: revision + 1, reads: [] },
      {
        applied: false,
        revision,
        reads: [expect.objectContaining({ key: "alone/a", modRevision: revision }), undefined],
      },
    ]);
    const { entries } = await store.range(prefixRange("alone/"));
    expect(entries.map(({ key }) => key)).toEqual(["alone/a", "alone/c"]);
  });

  test("commit: the revision of a part that fails is the one before the commit", async () => {
    const [before] = await store.commit([putPart("judged/a")]);
    const failing: Part = { guards: [keyAbsent("judged/a")], writes: [del("judged/a")] };
    const nothing: Part = { guards: [], writes: [del("judged/none")] };
    const something: Part = { guards: [], writes: [del("judged/b")] };
    const revision = before?.revision ?? 0;
    expect((await store.commit([failing]))[0]).toEqual({ applied: false, revision, reads: [] });
    const unchanged = await store.commit([failing, nothing]);
    expect(unchanged.map((result) => [result.applied, result.revision])).toEqual([
      [false, revision],
      [true, revision],
    ]);
    await store.commit([putPart("judged/b")]);
    const changed = await store.commit([failing, something]);
    expect(changed.map((result) => [result.applied, result.revision])).toEqual([
      [false, revision + 1],
      [true, revision + 2],
    ]);
  });

  test("commit: the largest that the limits allow fits etcd's defaults", async () => {
    const parts = Array.from({ length: COMMIT_PARTS_MAX }, (_, part) => ({
      guards: Array.from({ length: PART_OPS_MAX }, (_, n) => keyAbsent(`most/g/${part}/${n}`)),
      writes: Array.from({ length: PART_OPS_MAX }, (_, n) =>
        put(`most/w/${part}/${n}`, Buffer.alloc(250)),
      ),
      otherwise: Array.from({ length: PART_OPS_MAX }, (_, n) => `most/o/${part}/${n}`),
    }));
    const results = await store.commit(parts);
    expect(results).toHaveLength(COMMIT_PARTS_MAX);
    expect(new Set(results.map(({ applied }) => applied))).toEqual(new Set([true]));
    const large = Buffer.alloc(VALUE_BYTES_MAX, 3);
    await store.commit([putPart("most/large", large)]);
    expect((await store.get("most/large"))?.value).toEqual(large);
  });

  test("commit: an unknown lease refuses the whole commit and is named", async () => {
    const bad: Part = { guards: [], writes: [put("lease/a", Buffer.from("1"), "12345")] };
    const refused = store.commit([putPart("lease/b"), bad]);
    await expect(refused).rejects.toMatchObject({ code: "LEASE_LOST", lease: "12345" });
    expect((await store.range(prefixRange("lease/"))).entries).toEqual([]);
    const unguarded: Part = { ...bad, guards: [keyUnchanged("lease/none", 7)] };
    expect((await store.commit([unguarded]))[0]?.applied).toBe(false);
  });

  test("commit: an invalid one is refused before anything is sent", async () => {
    const twice: Part = { guards: [], writes: [del("a"), del("a")] };
    await expect(store.commit([twice])).rejects.toMatchObject({ code: "INVALID_COMMIT" });
    await expect(store.commit([])).rejects.toMatchObject({ code: "INVALID_COMMIT" });
  });

  test("range: pages keep to one revision, count all keys, and accept open ends", async () => {
    for (const name of ["a", "b", "c", "d"]) await store.commit([putPart(`page/${name}`)]);
    const range = prefixRange("page/");
    const first = await store.range(range, { limit: 3, count: true });
    expect(first).toMatchObject({ more: true, count: 4 });
    await store.commit([putPart("page/e"), { guards: [], writes: [del("page/d")] }]);
    const start = afterKey(first.entries.at(-1)?.key ?? "");
    const second = await store.range({ ...range, start }, { limit: 3, revision: first.revision });
    expect(second.entries.map(({ key }) => key)).toEqual(["page/d"]);
    expect(second).toMatchObject({ more: false, revision: first.revision });
    expect("count" in second).toBe(false);
    const all = await store.range(prefixRange(""), { limit: 1 });
    expect(all.entries).toHaveLength(1);
    for (const nothing of [
      { start: "b", end: "a" },
      { start: "", end: "" },
      { start: "", end: "\0" },
    ]) {
      const page = await store.range(nothing);
      expect(page).toMatchObject({ entries: [], more: false });
      expect(page.revision).toBeGreaterThan(first.revision);
    }
  });

  test("range: a page of large values beyond gRPC's usual 4 MiB arrives", async () => {
    const value = Buffer.alloc(1_000_000, 5);
    for (let n = 0; n < 12; n += 1) await store.commit([putPart(`large/${n}`, value)]);
    const { entries, more } = await store.range(prefixRange("large/"));
    expect(entries).toHaveLength(12);
    expect(more).toBe(false);
  });

  test("range: a page beyond what a client takes becomes a shorter one that says so", async () => {
    const value = Buffer.alloc(1_100_000, 5);
    for (let n = 0; n < 64; n += 1) await store.commit([putPart(`huge/${100 + n}`, value)]);
    const range = prefixRange("huge/");
    const first = await store.range(range, { limit: 64 });
    expect(first.more).toBe(true);
    expect(first.entries.length).toBeGreaterThan(0);
    expect(first.entries[0]?.key).toBe("huge/100");
  });

  test("range: keys of others beyond ASCII come back as they are", async () => {
    await server.ctl("put", "--", "foreign/ü", "1");
    await store.commit([putPart("foreign/plain")]);
    const { entries } = await store.range(prefixRange("foreign/"));
    expect(entries.map(({ key }) => key)).toEqual(["foreign/plain", "foreign/ü"]);
  });

  test("range: a compacted revision is lost history, a future one is unavailable", async () => {
    const [old] = await store.commit([putPart("past/a")]);
    const [next] = await store.commit([putPart("past/a")]);
    await store.compact(next?.revision ?? 0);
    await store.compact(next?.revision ?? 0);
    const lost = store.range(keyRange("past/a"), { revision: old?.revision ?? 0 });
    await expect(lost).rejects.toMatchObject({ code: "HISTORY_LOST", applied: "no" });
    const hasty = await openEtcdStore({ ...optionsOf(server.url), operationMs: 400 });
    const ahead = hasty.range(keyRange("past/a"), { revision: 1_000_000_000 });
    await expect(ahead).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", applied: "no" });
    await hasty.close();
  });

  test("lease: it expires, takes its keys along in one revision, and is then lost", async () => {
    const { id, ttlMs } = await store.grant(1_000);
    expect(BigInt(id)).toBeGreaterThan(0n);
    expect(ttlMs).toBeGreaterThanOrEqual(1_000);
    const [put1] = await store.commit([
      { guards: [], writes: ["x", "y"].map((key) => put(`exp/${key}`, Buffer.from("1"), id)) },
    ]);
    expect((await store.get("exp/x"))?.lease).toBe(id);
    const after = put1?.revision ?? 0;
    const events = await takeEvents(store.watch(prefixRange("exp/"), { after }), 2);
    expect(events.map(({ type, key }) => `${type} ${key}`)).toEqual([
      "delete exp/x",
      "delete exp/y",
    ]);
    expect(new Set(events.map(({ modRevision }) => modRevision)).size).toBe(1);
    await expect(store.keepAlive(id)).rejects.toMatchObject({ code: "LEASE_LOST", lease: id });
    await store.revoke(id);
  });

  test("lease: kept alive, it outlives its time, and many leases share one stream", async () => {
    const leases = await Promise.all(Array.from({ length: 5 }, () => store.grant(1_000)));
    const [written] = await store.commit(
      leases.map(({ id }) => ({ guards: [], writes: [put(`keep/${id}`, Buffer.from("1"), id)] })),
    );
    const after = written?.revision ?? 0;
    for (let round = 0; round < 4; round += 1) {
      await Promise.all(leases.map(({ id }) => store.keepAlive(id)));
      expect(await takeEvents(store.watch(prefixRange("keep/"), { after }), 1, 900)).toEqual([]);
    }
    await Promise.all(leases.map(({ id }) => store.revoke(id)));
    expect((await store.range(prefixRange("keep/"))).entries).toEqual([]);
  });

  test("lease: text that is no lease of etcd is lost, not an error of the wire", async () => {
    for (const lease of ["", "-1", "abc", "9223372036854775808", "1 or 2"]) {
      await expect(store.keepAlive(lease)).rejects.toMatchObject({ code: "LEASE_LOST" });
      await store.revoke(lease);
    }
  });

  test("status: each server tells its version, sizes and role", async () => {
    const [status] = await store.status();
    expect(status).toMatchObject({
      endpoint: `127.0.0.1:${server.endpoint.port}`,
      version: server.version,
      leader: true,
      hasLeader: true,
      learner: false,
      alarms: [],
    });
  });

  test("close: it is idempotent, waits for commits, and refuses what comes after", async () => {
    const other = await openEtcdStore(optionsOf(server.url));
    const commits = Array.from({ length: 20 }, (_, n) => other.commit([putPart(`close/${n}`)]));
    await Promise.all([other.close(), other.close()]);
    const results = await Promise.all(commits);
    expect(results.flat().every(({ applied }) => applied)).toBe(true);
    const refused = { code: "STORE_CLOSED" };
    await expect(other.get("a")).rejects.toMatchObject(refused);
    await expect(other.commit([putPart("a")])).rejects.toMatchObject(refused);
    await expect(other.grant(1_000)).rejects.toMatchObject(refused);
    await expect(other.keepAlive("1")).rejects.toMatchObject(refused);
    await expect(other.status()).rejects.toMatchObject(refused);
  });
});

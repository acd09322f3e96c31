import assert from "node:assert/strict";
import { del, keyAbsent, keyPresent, keyUnchanged, type Part } from "../part.ts";
import { prefixRange } from "../range.ts";
import type { PartResult, Store } from "../store.ts";
import type { StoreCases } from "./harness.ts";
import {
  bytes,
  commitPart,
  numbered,
  plain,
  put,
  revisionOf,
  textAt,
  write,
  writes,
} from "./support.ts";

/** What a commit does to entries and revisions. */
export const commitCases: StoreCases = {
  "commit: a new key has the commit's revision and version 1": async ({ store }) => {
    const at = await write(store, put("a", "1"));
    const entry = { key: "a", value: "1", createRevision: at, modRevision: at, version: 1 };
    assert.deepEqual(plain(await store.get("a")), { ...entry, lease: undefined });
  },
  "commit: a second put keeps createRevision and raises version": async ({ store }) => {
    const created = await write(store, put("a", "1"));
    const changed = await write(store, put("a", "2"));
    const entry = { key: "a", value: "2", createRevision: created, modRevision: changed };
    assert.deepEqual(plain(await store.get("a")), { ...entry, version: 2, lease: undefined });
  },
  "commit: a key made again after deletion starts anew": async ({ store }) => {
    await write(store, put("a", "1"));
    await write(store, put("a", "2"));
    await write(store, del("a"));
    assert.equal(await store.get("a"), undefined);
    const at = await write(store, put("a", "3"));
    const entry = { key: "a", value: "3", createRevision: at, modRevision: at, version: 1 };
    assert.deepEqual(plain(await store.get("a")), { ...entry, lease: undefined });
  },
  "commit: each change raises the revision by one": async ({ store }) => {
    const first = await write(store, put("a", "1"));
    assert.equal(await write(store, put("b", "1")), first + 1);
    assert.equal(await write(store, del("a")), first + 2);
    assert.equal(await write(store, put("c", "1"), put("d", "1"), del("b")), first + 3);
    assert.equal(await revisionOf(store), first + 3);
  },
  "commit: putting the same value again is a change": async ({ store }) => {
    const first = await write(store, put("a", "1"));
    assert.equal(await write(store, put("a", "1")), first + 1);
    assert.equal((await store.get("a"))?.version, 2);
  },
  "commit: deleting absent keys changes nothing and raises no revision": async ({ store }) => {
    const before = await write(store, put("a", "1"));
    const result = await commitPart(store, writes(del("x"), del("y")));
    assert.deepEqual(result, { applied: true, revision: before, reads: [] });
    assert.equal(await revisionOf(store), before);
  },
  "commit: an absent key may be deleted beside a change": async ({ store }) => {
    const before = await write(store, put("a", "1"));
    const results = await store.commit([writes(del("x")), writes(del("y"), put("b", "1"))]);
    assert.deepEqual(results, [
      { applied: true, revision: before + 1, reads: [] },
      { applied: true, revision: before + 1, reads: [] },
    ]);
    assert.equal(await revisionOf(store), before + 1);
  },
  "commit: values may be empty and hold any byte": async ({ store }) => {
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    await store.commit([
      writes({ op: "put", key: "all", value: all }, { op: "put", key: "none", value: bytes("") }),
    ]);
    assert.deepEqual([...((await store.get("all"))?.value ?? [])], [...all]);
    assert.equal((await store.get("none"))?.value.byteLength, 0);
  },
  "commit: concurrent commits all land": async ({ store }) => {
    const keys = numbered("k", 200);
    await Promise.all(keys.map((key) => write(store, put(key, key))));
    const { entries } = await store.range(prefixRange("k"));
    assert.deepEqual(
      entries.map(({ key }) => key),
      keys,
    );
  },
  "commit: of concurrent compare-and-swaps by two clients exactly one wins": async (harness) => {
    const clients = [harness.store, await harness.another()];
    for (let round = 0; round < 10; round++) {
      const guards = [keyAbsent(`r${round}`)];
      const results = await Promise.all(
        [0, 1, 2, 3].map((me) =>
          commitPart(clients[me % 2] as Store, {
            guards,
            writes: [put(`r${round}`, String(me))],
            otherwise: [`r${round}`],
          }),
        ),
      );
      const winner = results.findIndex(({ applied }) => applied);
      assert.equal(results.filter(({ applied }) => applied).length, 1);
      assert.equal(await textAt(harness.store, `r${round}`), String(winner));
    }
  },
  "commit: counting by compare-and-swap from two clients loses nothing": async (harness) => {
    const clients = [harness.store, await harness.another()];
    await write(harness.store, put("n", "0"));
    await Promise.all(clients.map((store) => addTimes(store, 20)));
    assert.equal(await textAt(harness.store, "n"), "40");
  },
};

async function addTimes(store: Store, times: number): Promise<void> {
  for (let done = 0, tries = 0; done < times; tries++) {
    assert.ok(tries < 1_000, "compare-and-swap gets nowhere");
    const entry = await store.get("n");
    const next = String(Number(new TextDecoder().decode(entry?.value)) + 1);
    const guards = [keyUnchanged("n", entry?.modRevision ?? 0)];
    const { applied } = await commitPart(store, { guards, writes: [put("n", next)] });
    if (applied) done += 1;
  }
}

/** How parts of one commit stand beside one another. */
export const partCases: StoreCases = {
  "part: one guard that fails is enough, and no write is made": async ({ store }) => {
    const before = await write(store, put("a", "1"));
    const result = await commitPart(store, {
      guards: [keyPresent("a"), keyAbsent("b"), keyPresent("c"), keyUnchanged("a", before)],
      writes: [put("a", "2"), put("b", "2"), del("c")],
    });
    assert.deepEqual(result, { applied: false, revision: before, reads: [] });
    assert.equal(await textAt(store, "a"), "1");
    assert.equal(await store.get("b"), undefined);
    assert.equal(await revisionOf(store), before);
  },
  "part: several guards on one key must all hold": async ({ store }) => {
    const at = await write(store, put("a", "1"));
    const both = { guards: [keyPresent("a"), keyUnchanged("a", at)], writes: [put("b", "1")] };
    assert.equal((await commitPart(store, both)).applied, true);
    const neither = { guards: [keyPresent("a"), keyAbsent("a")], writes: [put("b", "2")] };
    assert.equal((await commitPart(store, neither)).applied, false);
  },
  "part: each stands or falls alone": async ({ store }) => {
    await write(store, put("a", "1"));
    const results = await store.commit([
      { guards: [keyAbsent("a")], writes: [put("w0", "1")] },
      { guards: [keyPresent("a")], writes: [put("w1", "1")] },
      { guards: [keyPresent("x")], writes: [put("w2", "1")] },
      { guards: [], writes: [put("w3", "1")] },
    ]);
    assert.deepEqual(
      results.map(({ applied }) => applied),
      [false, true, false, true],
    );
    const { entries } = await store.range(prefixRange("w"));
    assert.deepEqual(
      entries.map(({ key }) => key),
      ["w1", "w3"],
    );
  },
  "part: all that hold are applied at one revision": async ({ store }) => {
    const before = await write(store, put("d", "1"));
    const results = await store.commit([
      writes(put("a", "1"), put("b", "1")),
      writes(put("c", "1")),
      writes(del("d")),
    ]);
    assert.deepEqual(
      results.map(({ revision }) => revision),
      [before + 1, before + 1, before + 1],
    );
    for (const key of ["a", "b", "c"]) {
      assert.equal((await store.get(key))?.modRevision, before + 1);
    }
  },
  "part: one that fails beside one that holds tells the revision it was judged at": async ({
    store,
  }) => {
    const before = await write(store, put("a", "1"));
    const results = await store.commit([
      { guards: [keyAbsent("a")], writes: [put("b", "1")] },
      writes(put("c", "1")),
    ]);
    assert.deepEqual(
      results.map(({ revision }) => revision),
      [before, before + 1],
    );
  },
  "part: none that holds leaves the store as it was": async ({ store }) => {
    const before = await revisionOf(store);
    const results = await store.commit([
      { guards: [keyPresent("x")], writes: [put("a", "1")] },
      { guards: [keyPresent("y")], writes: [put("b", "1")] },
    ]);
    const missed: PartResult = { applied: false, revision: before, reads: [] };
    assert.deepEqual(results, [missed, missed]);
    assert.equal(await revisionOf(store), before);
  },
  "part: two may guard the same key when none writes it": async ({ store }) => {
    await write(store, put("lock", "1"));
    const guarded = (key: string): Part => ({
      guards: [keyPresent("lock")],
      writes: [put(key, "1")],
    });
    const results = await store.commit([guarded("a"), guarded("b")]);
    assert.ok(results.every(({ applied }) => applied));
  },
  "part: it may guard, write and read one key": async ({ store }) => {
    const part: Part = { guards: [keyAbsent("a")], writes: [put("a", "1")], otherwise: ["a"] };
    const first = await commitPart(store, part);
    assert.deepEqual([first.applied, first.reads], [true, []]);
    const second = await commitPart(store, part);
    assert.deepEqual(
      [second.applied, second.reads.map(plain)],
      [false, [plain(await store.get("a"))]],
    );
  },
  "part: otherwise gives entries in its order, absent ones too": async ({ store }) => {
    await write(store, put("a", "1"), put("b", "2"));
    const { reads } = await commitPart(store, {
      guards: [keyPresent("x")],
      writes: [put("w", "1")],
      otherwise: ["b", "x", "a", "b"],
    });
    const [a, b] = [await store.get("a"), await store.get("b")];
    assert.deepEqual(reads.map(plain), [b, undefined, a, b].map(plain));
  },
  "part: otherwise reads at the moment of the guards": async ({ store, another }) => {
    const writer = await another();
    await write(store, put("a", "0"), put("b", "0"));
    let done = false;
    const writing = (async () => {
      for (let turn = 1; turn <= 60; turn++) {
        await write(writer, put("a", String(turn)), put("b", String(turn)));
      }
    })().finally(() => {
      done = true;
    });
    for (let reads = 0; !done && reads < 5_000; reads++) {
      const result = await commitPart(store, {
        guards: [keyAbsent("a")],
        writes: [put("w", "1")],
        otherwise: ["a", "b"],
      });
      const [a, b] = result.reads;
      assert.equal(a?.modRevision, b?.modRevision);
      assert.ok((a?.modRevision ?? 0) <= result.revision);
    }
    await writing;
  },
  "part: a witness changes nothing when no answer is lost": async ({ store }) => {
    const part = (value: string): Part => ({
      guards: [keyAbsent("a")],
      writes: [put("a", value)],
      otherwise: ["a"],
      witness: "a",
    });
    assert.equal((await commitPart(store, part("mine"))).applied, true);
    const other = await commitPart(store, part("yours"));
    assert.equal(other.applied, false);
    assert.equal(await textAt(store, "a"), "mine");
  },
};

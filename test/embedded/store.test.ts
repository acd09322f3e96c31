import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmod, mkdir, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { open } from "lmdb";
import { describe, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { type EmbeddedStore, openEmbeddedStore } from "../../src/store/embedded/index.ts";
import { del, keyAbsent, put, type Write } from "../../src/store/part.ts";
import { prefixRange } from "../../src/store/range.ts";
import type { Entry, Revision, Store } from "../../src/store/store.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { createVirtualClock } from "../../src/testing/virtual-clock.ts";
import { makeDirectory } from "./directory.ts";

const everything = prefixRange("");
const ONE = new Uint8Array([1]);

/** An inline store on a virtual clock, in a directory of its own. */
async function setup(historyMs = 60_000) {
  const place = await makeDirectory();
  const clock = createVirtualClock();
  const { directory } = place;
  const store = await openEmbeddedStore({ directory, inline: true, clock, historyMs });
  return {
    ...{ directory, clock, store },
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await place[Symbol.asyncDispose]();
    },
  };
}

async function write(store: Store, ...writes: Write[]): Promise<Revision> {
  const [result] = await store.commit([{ guards: [], writes }]);
  assert.equal(result?.applied, true);
  return result.revision;
}

async function refused(directory: string, message: RegExp): Promise<void> {
  await assert.rejects(openEmbeddedStore({ directory }), { code: "STORE_REFUSED", message });
}

/** A directory with a store of some size in it that nobody has open. */
async function makeStore(directory: string): Promise<string> {
  const store = await openEmbeddedStore({ directory, inline: true });
  for (let turn = 0; turn < 40; turn++) await write(store, put(`k${turn}`, new Uint8Array(50_000)));
  await store.close();
  return join(directory, "etask.mdb");
}

describe("embedded store, opening", () => {
  test("a missing directory is made, for its owner alone, and opened again", async () => {
    await using place = await makeDirectory();
    const directory = join(place.directory, "deeper");
    const first = await openEmbeddedStore({ directory });
    assert.equal(first.url, `embedded:${directory}`);
    const at = await write(first, put("a", ONE));
    await first.close();
    await using second = await openEmbeddedStore({ directory, url: "embedded:./x" });
    assert.equal(second.url, "embedded:./x");
    assert.equal((await second.get("a"))?.modRevision, at);
    assert.deepEqual((await readdir(directory)).sort(), [
      "etask.mdb",
      "etask.mdb-lock",
      "etask.notice",
    ]);
  });

  test("a path that is a file, or below one, is refused", async () => {
    await using place = await makeDirectory();
    await writeFile(place.directory, "");
    await refused(place.directory, /is a file/);
    await refused(join(place.directory, "below"), /below a file/);
    assert.equal((await readFile(place.directory)).byteLength, 0);
  });

  test("a directory of something else is refused and left alone", async () => {
    await using place = await makeDirectory();
    await mkdir(place.directory);
    await writeFile(join(place.directory, "thesis.tex"), "x");
    await refused(place.directory, /thesis\.tex.*directory of its own/);
    assert.deepEqual(await readdir(place.directory), ["thesis.tex"]);
  });

  test("an LMDB file of another program is refused and left alone", async () => {
    await using place = await makeDirectory();
    await mkdir(place.directory);
    const path = join(place.directory, "etask.mdb");
    const foreign = open({ path, noSubdir: true });
    await foreign.put("their", "data");
    await foreign.close();
    const before = await readFile(path);
    await refused(place.directory, /another program/);
    assert.ok(before.equals(await readFile(path)));
  });

  test("a store of a newer format is refused", async () => {
    await using place = await makeDirectory();
    const path = await makeStore(place.directory);
    const root = open({ path, noSubdir: true, encoding: "binary" });
    const meta = root.openDB({ name: "meta", encoding: "binary", keyEncoding: "binary" });
    const format = { name: "etask embedded store", version: 2, id: "x" };
    await meta.put(Buffer.from("format"), Buffer.from(JSON.stringify(format)));
    await root.close();
    await refused(place.directory, /format 2; this one knows 1/);
  });

  test("a damaged file is refused, also one that was cut off anywhere", async () => {
    await using place = await makeDirectory();
    const path = await makeStore(place.directory);
    const { byteLength } = await readFile(path);
    for (const share of [0.9, 0.5, 0.1, 0.01, 0.001]) {
      await truncate(path, Math.floor(byteLength * share));
      await refused(place.directory, /damaged/);
    }
    await writeFile(path, "This is not a database. ".repeat(1_000));
    await refused(place.directory, /does not begin as one/);
    await writeFile(path, new Uint8Array(100_000));
    await refused(place.directory, /does not begin as one/);
  });

  test("a directory that may not be written is refused", async () => {
    await using place = await makeDirectory();
    await makeStore(place.directory);
    await chmod(place.directory, 0o500);
    // Root may write anything, so it becomes somebody else.
    const program = `
      const { openEmbeddedStore } = await import("./src/store/embedded/index.ts");
      if (process.getuid() === 0) process.setuid(65534);
      await openEmbeddedStore({ directory: ${JSON.stringify(place.directory)} })
        .catch(({ code, message }) => console.log(code, message));`;
    const command = ["--import", "tsx", "--input-type=module", "-e", program];
    const { stdout } = spawnSync(process.execPath, command, { encoding: "utf8" });
    await chmod(place.directory, 0o700);
    assert.match(stdout, /^STORE_REFUSED .*may not be written/);
  });

  test("options out of bounds are refused before anything is made", async () => {
    await using place = await makeDirectory();
    const { directory } = place;
    const invalid = { code: "INVALID_OPTIONS" };
    await assert.rejects(openEmbeddedStore({ directory, historyMs: 1 }), invalid);
    await assert.rejects(openEmbeddedStore({ directory, clock: createVirtualClock() }), invalid);
    await assert.rejects(readdir(directory), { code: "ENOENT" });
  });

  test("one process may open it many times, and close in any order", async () => {
    await using place = await makeDirectory();
    const stores = await Promise.all(
      [false, true, false, true].map((inline) => openEmbeddedStore({ ...place, inline })),
    );
    const keys = Array.from({ length: 100 }, (_, index) => `k${index}`);
    const results = await Promise.all(
      keys.flatMap((key) =>
        stores.map((store) =>
          store.commit([{ guards: [keyAbsent(key)], writes: [put(key, ONE)] }]),
        ),
      ),
    );
    const won = results.flat().filter(({ applied }) => applied);
    assert.equal(new Set(won.map(({ revision }) => revision)).size, keys.length);
    assert.equal(won.length, keys.length);
    const [first, second, third, fourth] = stores as [
      EmbeddedStore,
      EmbeddedStore,
      EmbeddedStore,
      EmbeddedStore,
    ];
    await first.close();
    await write(third, put("late", ONE));
    await Promise.all([second.close(), fourth.close()]);
    assert.notEqual(await third.get("late"), undefined);
    await third.close();
  });
});

describe("embedded store, commits and history", () => {
  test("a commit on a lost lease fails alone among those written with it", async () => {
    await using place = await makeDirectory();
    await using store = await openEmbeddedStore(place);
    const commits = ["a", "b", "c"].map((key) =>
      write(store, key === "b" ? put(key, ONE, "gone") : put(key, ONE)),
    );
    const settled = await Promise.allSettled(commits);
    assert.deepEqual(
      settled.map(({ status }) => status),
      ["fulfilled", "rejected", "fulfilled"],
    );
    const { entries, revision } = await store.range(everything);
    assert.deepEqual(
      entries.map(({ key, modRevision }) => [key, modRevision]),
      [
        ["a", revision - 1],
        ["c", revision],
      ],
    );
  });

  test("more requests than may wait are refused, and the others are answered", async () => {
    await using env = await setup();
    const commits = Array.from({ length: 9_000 }, () => write(env.store, put("a", ONE)));
    const settled = await Promise.allSettled(commits);
    const refusals = settled.flatMap((each) => (each.status === "rejected" ? [each.reason] : []));
    assert.equal(refusals.length, 9_000 - 8_192);
    assert.ok(refusals.every(({ code, applied }) => code === "STORE_BUSY" && applied === "no"));
    assert.equal((await env.store.get("a"))?.version, 8_192);
  });

  test("any past revision shows what was there then", async () => {
    await using env = await setup();
    const random = createSeededRandom(7);
    const pick = (count: number) => Math.floor(random.next() * count);
    const shown: { revision: Revision; entries: readonly Entry[] }[] = [];
    for (let turn = 0; turn < 150; turn++) {
      const keys = new Set(Array.from({ length: 1 + pick(5) }, () => `k${pick(30)}`));
      const writes = [...keys].map((key) =>
        pick(3) === 0 ? del(key) : put(key, new Uint8Array(pick(8) === 0 ? 20_000 : pick(50))),
      );
      await env.store.commit([{ guards: [], writes }]);
      const { revision, entries } = await env.store.range(everything);
      shown.push({ revision, entries });
    }
    for (const { revision, entries } of shown) {
      const options = { revision, limit: 7, count: true };
      const page = await env.store.range(prefixRange("k1"), options);
      const inside = entries.filter(({ key }) => key.startsWith("k1"));
      assert.deepEqual(page.entries, inside.slice(0, 7));
      assert.equal(page.count, inside.length);
      assert.equal(page.more, inside.length > 7);
      assert.deepEqual((await env.store.range(everything, { revision })).entries, entries);
    }
  });

  test("history goes when it is old enough, and what it was made of with it", async () => {
    await using env = await setup(60_000);
    const { store, clock } = env;
    const first = await write(store, put("a", ONE));
    for (let turn = 0; turn < 1_500; turn++) await write(store, put("a", ONE), put("b", ONE));
    await clock.advance(50_000);
    const young = await write(store, put("c", ONE));
    assert.equal((await store.range(everything, { revision: first })).entries.length, 1);
    await clock.advance(30_000);
    const lost = { code: "HISTORY_LOST", compactRevision: young - 1 };
    await assert.rejects(store.range(everything, { revision: first }), lost);
    await assert.rejects(
      store.watch(everything, { after: first })[Symbol.asyncIterator]().next(),
      lost,
    );
    for await (const { events } of store.watch(everything, { after: young - 1 })) {
      assert.deepEqual(
        events.map(({ key }) => key),
        ["c"],
      );
      break;
    }
    assert.equal((await store.get("b"))?.version, 1_500);
  });

  test("a lease of an earlier boot of the machine is over", async () => {
    await using place = await makeDirectory();
    const open = async (upMs: number) => {
      const clock = createVirtualClock();
      await clock.advance(upMs);
      const store = await openEmbeddedStore({ ...place, inline: true, clock });
      return { store, clock };
    };
    const before = await open(1_000_000);
    const { id } = await before.store.grant(3_600_000);
    await write(before.store, put("a", ONE, id));
    await before.store.close();
    const after = await open(2_000);
    await assert.rejects(after.store.keepAlive(id), { code: "LEASE_LOST" });
    await after.clock.advance(1_000);
    assert.equal(await after.store.get("a"), undefined);
    await after.store.close();
  });

  test("a slow watch and a quick one see the same while the log runs far ahead", async () => {
    await using place = await makeDirectory();
    await using store = await openEmbeddedStore(place);
    const total = 12_000;
    const read = async (prefix: string, pauseMs: number) => {
      const seen: Revision[] = [];
      for await (const { events } of store.watch(prefixRange(prefix), { after: 1 })) {
        seen.push(...events.map(({ modRevision }) => modRevision));
        if (seen.length >= total) break;
        if (pauseMs > 0) await systemClock.sleep(pauseMs);
      }
      return seen;
    };
    const watches = [read("k", 0), read("", 50)];
    for (let turn = 0; turn < total; turn += 500) {
      const batch = Array.from({ length: 500 }, (_, index) => `k${turn + index}`);
      await Promise.all(batch.map((key) => write(store, put(key, ONE))));
    }
    const expected = Array.from({ length: total }, (_, index) => index + 2);
    for (const seen of await Promise.all(watches)) assert.deepEqual(seen, expected);
  });
});

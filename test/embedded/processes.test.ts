import assert from "node:assert/strict";
import { describe, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { type EmbeddedStore, openEmbeddedStore } from "../../src/store/embedded/index.ts";
import { put } from "../../src/store/part.ts";
import { afterKey, prefixRange } from "../../src/store/range.ts";
import type { Revision } from "../../src/store/store.ts";
import { createVirtualClock } from "../../src/testing/virtual-clock.ts";
import { makeDirectory } from "./directory.ts";
import { Program } from "./processes.ts";

const everything = prefixRange("");

/** A store whose clock stands still: it never ends a lease, so somebody else must have done it. */
async function openBystander(directory: string): Promise<EmbeddedStore> {
  return openEmbeddedStore({ directory, inline: true, clock: createVirtualClock() });
}

/** Waits for the next change of a key. */
async function nextChange(store: EmbeddedStore, key: string, after: Revision): Promise<string> {
  for await (const { events } of store.watch({ start: key, end: afterKey(key) }, { after })) {
    const [event] = events;
    if (event !== undefined) return event.type;
  }
  throw new Error("The watch ended.");
}

/** Reads the whole store and asserts that its log tells the same as its entries. */
async function assertIntact(store: EmbeddedStore): Promise<Map<string, [Revision, number]>> {
  const found = new Map<string, [Revision, number]>();
  let page = await store.range(everything);
  const { revision } = page;
  for (;;) {
    for (const { key, modRevision, value } of page.entries) {
      found.set(key, [modRevision, value.byteLength]);
    }
    if (!page.more) break;
    const start = afterKey(page.entries.at(-1)?.key ?? "");
    page = await store.range({ start, end: everything.end }, { revision });
  }
  const logged = new Map<string, [Revision, number]>();
  let position = 1;
  for await (const batch of store.watch(everything, { after: 1 })) {
    for (const event of batch.events) {
      assert.ok(event.modRevision - position <= 1, "the log has a gap");
      position = event.modRevision;
      if (event.type === "delete") logged.delete(event.key);
      else logged.set(event.key, [event.modRevision, event.entry.value.byteLength]);
    }
    if (position >= revision) break;
  }
  assert.equal(position, revision);
  assert.deepEqual(new Map([...logged].sort()), new Map([...found].sort()));
  return found;
}

describe("embedded store, several processes", () => {
  test("guarded increments of four processes lose no update", async () => {
    await using place = await makeDirectory();
    await using store = await openEmbeddedStore(place);
    const seen: string[] = [];
    const watching = (async () => {
      for await (const { events } of store.watch(everything, { after: 1 })) {
        for (const event of events) {
          if (event.type === "put") seen.push(Buffer.from(event.entry.value).toString());
        }
        if (seen.length >= 400) return;
      }
    })();
    const programs = Array.from(
      { length: 4 },
      () => new Program("increment", place.directory, "100"),
    );
    for (const program of programs) assert.equal(await program.ended(), 0);
    await watching;
    assert.deepEqual(
      seen,
      Array.from({ length: 400 }, (_, index) => String(index + 1)),
    );
  });

  test("a writer that is killed twenty times loses nothing that it was told is done", async () => {
    await using place = await makeDirectory();
    await using store = await openEmbeddedStore(place);
    const told: string[] = [];
    for (let round = 0; round < 20; round++) {
      await using program = new Program("write", place.directory, `round-${round}`);
      await program.said(20 + ((round * 53) % 200));
      await program.kill();
      told.push(...program.lines);
    }
    assert.ok(told.length > 400);
    const found = await assertIntact(store);
    for (const line of told) {
      const [key = "", revision, bytes] = line.split(" ");
      assert.deepEqual(found.get(key), [Number(revision), Number(bytes)], line);
    }
    await store.close();
    await using reopened = await openEmbeddedStore(place);
    assert.deepEqual(await assertIntact(reopened), found);
  }, 120_000);

  test("a process that exits amid its writes ends well and leaves the store intact", async () => {
    await using place = await makeDirectory();
    await using store = await openEmbeddedStore(place);
    for (let round = 0; round < 8; round++) {
      await using program = new Program("exit", place.directory, String(round * 13));
      assert.equal(await program.ended(), 0);
    }
    await assertIntact(store);
  }, 120_000);

  test("a process that forgets to close ends by itself", async () => {
    await using place = await makeDirectory();
    await using program = new Program("leave", place.directory);
    assert.equal(await program.ended(), 0);
    await using store = await openEmbeddedStore(place);
    assert.notEqual(await store.get("left"), undefined);
  });

  test("the lease of a killed process is ended by another one, not before its time", async () => {
    await using place = await makeDirectory();
    await using store = await openEmbeddedStore(place);
    await using program = new Program("lease", place.directory, "1500");
    await program.said(1);
    const since = systemClock.monotonic();
    const entry = await store.get("leased");
    await program.kill();
    assert.equal(await nextChange(store, "leased", entry?.modRevision ?? 0), "delete");
    const lasted = systemClock.monotonic() - since;
    assert.ok(lasted > 1_400 && lasted < 10_000, `${lasted} ms`);
  });

  test("a blocked main thread holds up neither others nor its own commits and leases", async () => {
    await using place = await makeDirectory();
    await using store = await openBystander(place.directory);
    await using program = new Program("block", place.directory, "5000");
    await program.said(1);
    let slowest = 0;
    for (let turn = 0; turn < 50; turn++) {
      const since = systemClock.monotonic();
      await store.commit([{ guards: [], writes: [put("mine", Buffer.from(String(turn)))] }]);
      slowest = Math.max(slowest, systemClock.monotonic() - since);
    }
    const { revision } = await store.range(everything, { limit: 1 });
    if ((await store.get("pending")) === undefined) await nextChange(store, "pending", revision);
    const leased = await store.get("leased");
    if (leased !== undefined) await nextChange(store, "leased", leased.modRevision);
    assert.deepEqual(program.lines, ["blocked"]);
    assert.ok(slowest < 1_000, `${slowest} ms`);
    assert.equal(await program.ended(), 0);
  });

  test("thirty idle watches cost next to nothing", async () => {
    await using place = await makeDirectory();
    await using program = new Program("idle", place.directory, "4000");
    await program.said(1);
    const [, used, , of] = (program.lines[0] ?? "").split(" ");
    assert.ok(Number(used) < Number(of) * 0.05, program.lines[0]);
  });
});

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type EtcdStore, openEtcdStore } from "../../src/store/etcd/index.ts";
import { del } from "../../src/store/part.ts";
import { keyRange, prefixRange } from "../../src/store/range.ts";
import type { WatchBatch } from "../../src/store/store.ts";
import { optionsOf, putMany, putPart, takeEvents } from "../support/etcd-driver.ts";
import { type EtcdServer, startEtcd } from "../support/etcd-server.ts";
import { type Cut, TcpProxy } from "../support/tcp-proxy.ts";

describe.each(["3.4", "3.5"] as const)("watch on etcd %s", (line) => {
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

  /** A store that talks to the server through a proxy alone. */
  async function openBehindProxy(): Promise<{ proxy: TcpProxy; behind: EtcdStore }> {
    const proxy = await TcpProxy.start(server.endpoint);
    const behind = await openEtcdStore({ endpoints: [proxy.endpoint], discover: false });
    return { proxy, behind };
  }

  /**
   * Watches 5 000 changes from their beginning while each new connection is cut as `cutOf` says.
   */
  async function catchUp(prefix: string, after: number, cutOf: TcpProxy["cutOf"]): Promise<number> {
    const { proxy, behind } = await openBehindProxy();
    const before = proxy.connections;
    proxy.cutOf = (connection) => cutOf(connection - before);
    const events = await takeEvents(behind.watch(prefixRange(prefix), { after }), 5_000);
    await behind.close();
    await proxy[Symbol.asyncDispose]();
    const revisions = events.map(({ modRevision }) => modRevision);
    expect(revisions).toEqual(Array.from({ length: 5_000 }, (_, index) => after + 1 + index));
    expect(new Set(events.map(({ key }) => key)).size).toBe(5_000);
    return proxy.connections - before;
  }

  describe("catching up with 5,000 changes", () => {
    let after: number;

    beforeAll(async () => {
      after = await putMany(store, "catch/", 5_000);
    });

    test("loses none and repeats none when the connection is cut ever further on", async () => {
      const connections = await catchUp("catch/", after, (n) => ({ bytes: 40 + 900 * n ** 2 }));
      expect(connections).toBeGreaterThan(8);
    });

    test("loses none and repeats none when the connection is cut after each frame", async () => {
      const connections = await catchUp("catch/", after, (n) =>
        n < 40 ? { frames: 1 + n } : undefined,
      );
      expect(connections).toBeGreaterThan(8);
    });

    /** One catch-up for each cut, several at a time; each is cut once, at its place. */
    async function cutOnceAt(cuts: readonly Cut[]): Promise<void> {
      const left = [...cuts];
      const lanes = Array.from({ length: 8 }, async () => {
        for (let cut = left.shift(); cut; cut = left.shift()) {
          const here = cut;
          const connections = await catchUp("catch/", after, (n) => (n === 0 ? here : undefined));
          expect(connections, JSON.stringify(cut)).toBeGreaterThan(1);
        }
      });
      await Promise.all(lanes);
    }

    test("loses none and repeats none when it is cut once, after any number of bytes", async () => {
      const early = Array.from({ length: 25 }, (_, n) => 30 + 13 * n);
      const late = Array.from({ length: 35 }, (_, n) => 400 + 3_977 * n);
      await cutOnceAt([...early, ...late].map((bytes) => ({ bytes })));
    }, 60_000);

    test("loses none and repeats none when it is cut once, after any frame", async () => {
      await cutOnceAt(Array.from({ length: 14 }, (_, n) => ({ frames: 1 + n })));
    }, 60_000);
  });

  test("a revision comes whole, also when it is larger than a message", async () => {
    const { revision: after } = await store.range(prefixRange("whole/"), { limit: 1 });
    const value = Buffer.alloc(36_000, 1);
    for (let round = 0; round < 3; round += 1) {
      await store.commit(Array.from({ length: 34 }, (_, n) => putPart(`whole/${n}`, value)));
    }
    const sizes = new Map<number, Set<WatchBatch>>();
    let seen = 0;
    for await (const batch of store.watch(prefixRange("whole/"), { after })) {
      for (const { modRevision } of batch.events) {
        sizes.set(modRevision, (sizes.get(modRevision) ?? new Set()).add(batch));
      }
      seen += batch.events.length;
      if (seen === 102) break;
    }
    expect([...sizes.values()].map((batches) => batches.size)).toEqual([1, 1, 1]);
  });

  test("changes come in order, with puts, deletions and the entry as it was", async () => {
    const { revision: after } = await store.range(prefixRange("order/"), { limit: 1 });
    await store.commit([putPart("order/a", "1")]);
    await store.commit([putPart("order/a", "2")]);
    await store.commit([{ guards: [], writes: [del("order/a")] }]);
    const events = await takeEvents(store.watch(prefixRange("order/"), { after }), 3);
    expect(events).toEqual([
      {
        type: "put",
        key: "order/a",
        modRevision: after + 1,
        entry: {
          key: "order/a",
          value: Buffer.from("1"),
          createRevision: after + 1,
          modRevision: after + 1,
          version: 1,
        },
      },
      {
        type: "put",
        key: "order/a",
        modRevision: after + 2,
        entry: {
          key: "order/a",
          value: Buffer.from("2"),
          createRevision: after + 1,
          modRevision: after + 2,
          version: 2,
        },
      },
      { type: "delete", key: "order/a", modRevision: after + 3 },
    ]);
  });

  test("many watches share one stream and each sees its own keys", async () => {
    const { proxy, behind } = await openBehindProxy();
    const { revision: after } = await store.range(prefixRange("many/"), { limit: 1 });
    const before = proxy.connections;
    const watched = Array.from({ length: 60 }, (_, n) => `many/${n}/`);
    const watching = watched.map((prefix) =>
      takeEvents(behind.watch(prefixRange(prefix), { after }), 20),
    );
    for (let round = 0; round < 20; round += 1) {
      await store.commit(watched.map((prefix) => putPart(`${prefix}${round}`)));
      if (round === 10) proxy.reset();
    }
    const seen = await Promise.all(watching);
    for (const [n, events] of seen.entries()) {
      expect(events.map(({ key }) => key)).toEqual(
        Array.from({ length: 20 }, (_, round) => `many/${n}/${round}`),
      );
    }
    expect(proxy.connections - before).toBeLessThan(8);
    await behind.close();
    await proxy[Symbol.asyncDispose]();
  });

  test("a slow consumer gets everything although the buffer is bounded", async () => {
    const value = Buffer.alloc(400_000, 7);
    const { revision: after } = await store.range(prefixRange("slow/"), { limit: 1 });
    const batches = store.watch(prefixRange("slow/"), { after })[Symbol.asyncIterator]();
    const first = batches.next();
    for (let n = 0; n < 120; n += 1) await store.commit([putPart(`slow/${n % 5}`, value)]);
    let events = (await first).value.events.length as number;
    const held = (batches as unknown as { feed: { position: number } }).feed.position - after;
    expect(held).toBeLessThan(60);
    while (events < 120) events += (await batches.next()).value.events.length;
    expect(events).toBe(120);
    await batches.return?.();
  });

  test("a range without keys delivers nothing and ends with its signal", async () => {
    const leave = new AbortController();
    const batches = store.watch({ start: "b", end: "a" }, { after: 0, signal: leave.signal });
    const iterator = batches[Symbol.asyncIterator]();
    const next = iterator.next();
    leave.abort();
    expect(await next).toEqual({ done: true, value: undefined });
  });

  test("a signal, a break and a return end it quietly and at once", async () => {
    const leave = new AbortController();
    const after = Number.MAX_SAFE_INTEGER - 1;
    const quiet = store.watch(keyRange("quiet"), { after: 0, signal: leave.signal });
    const iterator = quiet[Symbol.asyncIterator]();
    const next = iterator.next();
    leave.abort();
    expect(await next).toEqual({ done: true, value: undefined });
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    const other = store.watch(keyRange("quiet"), { after: 0 })[Symbol.asyncIterator]();
    const pending = other.next();
    await other.return?.();
    expect(await pending).toEqual({ done: true, value: undefined });
    const aborted = store.watch(keyRange("quiet"), { after, signal: AbortSignal.abort() });
    for await (const _ of aborted) expect.unreachable();
  });

  test("compaction: a watch that begins below it throws and tells the revision", async () => {
    const after = await putMany(store, "compact/", 20);
    await store.compact(after + 15);
    const batches = store.watch(prefixRange("compact/"), { after });
    await expect(takeEvents(batches, 1)).rejects.toMatchObject({
      code: "HISTORY_LOST",
      compactRevision: after + 15,
    });
    expect(
      await takeEvents(store.watch(prefixRange("compact/"), { after: after + 15 }), 5),
    ).toHaveLength(5);
  });

  test("compaction: a watch that is cut off meanwhile throws, others go on", async () => {
    const { proxy, behind } = await openBehindProxy();
    const { revision: after } = await store.range(prefixRange("cut/"), { limit: 1 });
    const late = behind.watch(prefixRange("cut/"), { after })[Symbol.asyncIterator]();
    await store.commit([putPart("cut/0")]);
    expect((await late.next()).value.events).toHaveLength(1);
    const caughtUp = store.watch(prefixRange("cut/"), { after })[Symbol.asyncIterator]();
    expect((await caughtUp.next()).value.events).toHaveLength(1);
    proxy.mode = "refuse";
    proxy.reset();
    const next = late.next();
    for (let n = 1; n <= 10; n += 1) {
      await store.commit([putPart(`cut/${n}`)]);
      for (let seen = 0; seen === 0; ) seen = (await caughtUp.next()).value.events.length;
    }
    await store.compact(after + 8);
    proxy.mode = "pass";
    await expect(next).rejects.toMatchObject({ code: "HISTORY_LOST", compactRevision: after + 8 });
    await store.commit([putPart("cut/end")]);
    expect((await caughtUp.next()).value.events[0].key).toBe("cut/end");
    await caughtUp.return?.();
    await behind.close();
    await proxy[Symbol.asyncDispose]();
  });

  test("closing the store ends each watch with StoreClosedError", async () => {
    const other = await openEtcdStore(optionsOf(server.url));
    const iterator = other.watch(keyRange("closing"), { after: 0 })[Symbol.asyncIterator]();
    const next = iterator.next();
    const closed = expect(next).rejects.toMatchObject({ code: "STORE_CLOSED" });
    await other.close();
    await closed;
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    const tooLate = other.watch(keyRange("closing"), { after: 0 })[Symbol.asyncIterator]();
    await expect(tooLate.next()).rejects.toMatchObject({ code: "STORE_CLOSED" });
  });

  test("a server that hangs is given up, and the watch goes on afterwards", async () => {
    const { proxy, behind } = await openBehindProxy();
    const { revision: after } = await store.range(prefixRange("hang/"), { limit: 1 });
    const iterator = behind.watch(prefixRange("hang/"), { after })[Symbol.asyncIterator]();
    await store.commit([putPart("hang/1")]);
    await iterator.next();
    proxy.mode = "blackhole";
    const before = proxy.connections;
    const next = iterator.next();
    await store.commit([putPart("hang/2")]);
    // The keep-alive gives the connection up after 13 s; then the proxy lets the next one through.
    await expect.poll(() => proxy.connections, { timeout: 25_000 }).toBeGreaterThan(before);
    proxy.mode = "pass";
    proxy.reset();
    expect((await next).value.events[0].key).toBe("hang/2");
    await iterator.return?.();
    await behind.close();
    await proxy[Symbol.asyncDispose]();
  }, 60_000);
});

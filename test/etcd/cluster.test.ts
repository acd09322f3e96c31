import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { rm } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import type { Events } from "../../src/base/events.ts";
import { type EtcdStore, openEtcdStore } from "../../src/store/etcd/index.ts";
import { keyAbsent, put } from "../../src/store/part.ts";
import { keyRange, prefixRange } from "../../src/store/range.ts";
import { isUnavailable } from "../../src/store/store-errors.ts";
import { optionsOf, putPart, takeEvents } from "../support/etcd-driver.ts";
import { type EtcdServer, startEtcd, startEtcdCluster } from "../support/etcd-server.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

/** Commits one key after another, each again under its guard until its outcome is known. */
async function commitSurely(store: EtcdStore, key: string): Promise<void> {
  const part = { guards: [keyAbsent(key)], writes: [put(key, Buffer.from("1"))], otherwise: [key] };
  for (let tries = 0; tries < 20; tries += 1) {
    try {
      await store.commit([part]);
      return;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
    }
  }
  throw new Error(`${key} could not be committed.`);
}

async function leaderOf(store: EtcdStore, members: readonly EtcdServer[]): Promise<EtcdServer> {
  const leader = (await store.status()).find((each) => each.error === undefined && each.leader);
  const member = members.find(({ endpoint }) => leader?.endpoint.endsWith(`:${endpoint.port}`));
  return member ?? expect.unreachable("no leader");
}

describe.each(["3.4", "3.5"] as const)("a cluster of etcd %s", (line) => {
  test("the leader is killed: commits, leases and watches go on with the others", async () => {
    await using cluster = await startEtcdCluster(3, { line });
    await using store = await openEtcdStore(optionsOf(cluster.url));
    const [first] = await store.commit([putPart("first")]);
    const after = first?.revision ?? 0;
    const watching = takeEvents(store.watch(prefixRange("run/"), { after }), 60);
    const { id } = await store.grant(30_000);
    await store.keepAlive(id);
    for (let n = 0; n < 20; n += 1) await commitSurely(store, `run/${n}`);
    await (await leaderOf(store, cluster.members)).kill();
    for (let n = 20; n < 60; n += 1) await commitSurely(store, `run/${n}`);
    await store.keepAlive(id);
    const events = await watching;
    expect(events.map(({ key }) => key)).toEqual(Array.from({ length: 60 }, (_, n) => `run/${n}`));
  }, 60_000);

  test("the only server given is killed: the others were found in the member list", async () => {
    await using cluster = await startEtcdCluster(3, { line });
    const [seed, ...others] = cluster.members;
    if (seed === undefined) return expect.unreachable();
    await using store = await openEtcdStore(optionsOf(seed.url));
    await expect.poll(async () => (await store.status()).length).toBe(3);
    await seed.kill();
    await commitSurely(store, "found");
    expect((await store.get("found"))?.key).toBe("found");
    const status = await store.status();
    expect(status.filter(({ error }) => error === undefined)).toHaveLength(others.length);
  }, 60_000);

  test("a member without a majority is left at once: nothing was applied", async () => {
    await using cluster = await startEtcdCluster(3, { line });
    const [alone, ...others] = cluster.members;
    if (alone === undefined) return expect.unreachable();
    await using store = await openEtcdStore({
      ...optionsOf(alone.url),
      discover: false,
      operationMs: 2_000,
    });
    const watch = store.watch(keyRange("majority"), { after: 0 })[Symbol.asyncIterator]();
    const next = watch.next();
    await Promise.all(others.map((other) => other.kill()));
    await expect
      .poll(() => store.commit([putPart("lost")]).catch((error) => error), { timeout: 20_000 })
      .toMatchObject({
        code: "STORE_UNAVAILABLE",
        applied: "no",
        message: expect.stringContaining("no leader"),
      });
    await Promise.all(others.map((other) => other.restart()));
    await commitSurely(store, "majority");
    expect((await next).value.events[0].key).toBe("majority");
    await watch.return?.();
  }, 60_000);

  test("servers of two clusters in one URL are refused", async () => {
    await using one = await startEtcd({ line });
    await using two = await startEtcd({ line });
    const opening = openEtcdStore({ endpoints: [one.endpoint, two.endpoint] });
    await expect(opening).rejects.toMatchObject({
      code: "STORE_REFUSED",
      message: expect.stringContaining("another cluster"),
    });
  });

  test("one of the servers is away or silent: opening does not wait for it", async () => {
    await using server = await startEtcd({ line });
    await using proxy = await TcpProxy.start(server.endpoint);
    proxy.mode = "blackhole";
    const gone = { host: "127.0.0.1", port: 1 };
    const startedMs = systemClock.monotonic();
    await using store = await openEtcdStore({
      endpoints: [gone, proxy.endpoint, server.endpoint],
      tryMs: 500,
    });
    expect(systemClock.monotonic() - startedMs).toBeLessThan(2_500);
    for (let n = 0; n < 5; n += 1) await commitSurely(store, `away/${n}`);
  });

  test("a store that was emptied behind a watch is noticed as lost history", async () => {
    await using server = await startEtcd({ line });
    await using store = await openEtcdStore(optionsOf(server.url));
    for (let n = 0; n < 5; n += 1) await store.commit([putPart(`gone/${n}`)]);
    const watch = store.watch(prefixRange("gone/"), { after: 1 })[Symbol.asyncIterator]();
    for (let seen = 0; seen < 5; ) seen += (await watch.next()).value.events.length;
    const next = expect(watch.next()).rejects.toMatchObject({
      code: "HISTORY_LOST",
      compactRevision: 0,
    });
    await server.kill();
    await rm(server.dataDir, { recursive: true });
    await server.restart();
    await next;
    expect((await store.commit([putPart("gone/again")]))[0]?.applied).toBe(true);
  });

  test("known hazards are published once for each server", async () => {
    const hazards: Events["etask:store:hazard"][] = [];
    await using server = await startEtcd({ line });
    const name = `127.0.0.1:${server.endpoint.port}`;
    const note = (event: unknown) => {
      const hazard = event as Events["etask:store:hazard"];
      if (hazard.endpoint === name) hazards.push(hazard);
    };
    subscribe("etask:store:hazard", note);
    await using store = await openEtcdStore(optionsOf(server.url));
    unsubscribe("etask:store:hazard", note);
    expect(hazards.length).toBeGreaterThan(0);
    expect(new Set(hazards.map(({ hazard }) => hazard)).size).toBe(hazards.length);
    for (const each of hazards)
      expect(each).toMatchObject({ endpoint: name, version: server.version });
    const [status] = await store.status();
    expect(status?.error === undefined && status?.hazards).toHaveLength(hazards.length);
  });
});

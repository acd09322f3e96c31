import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { isEtaskError } from "../../src/base/errors.ts";
import { type EtcdStore, openEtcdStore } from "../../src/store/etcd/index.ts";
import { del, keyAbsent, type Part, put } from "../../src/store/part.ts";
import { prefixRange } from "../../src/store/range.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { optionsOf, putPart } from "../support/etcd-driver.ts";
import { type EtcdServer, startEtcd } from "../support/etcd-server.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

const UNKNOWN = { code: "STORE_UNAVAILABLE", applied: "unknown" };
const NOT_APPLIED = { code: "STORE_UNAVAILABLE", applied: "no" };

describe.each(["3.4", "3.5"] as const)("errors on etcd %s", (line) => {
  let server: EtcdServer;
  let direct: EtcdStore;
  let proxy: TcpProxy;
  let store: EtcdStore;

  beforeAll(async () => {
    server = await startEtcd({ line });
    direct = await openEtcdStore(optionsOf(server.url));
  });

  afterAll(async () => {
    await direct.close();
    await server.stop();
  });

  beforeEach(async () => {
    proxy = await TcpProxy.start(server.endpoint);
    store = await openEtcdStore({
      endpoints: [proxy.endpoint],
      discover: false,
      operationMs: 1_500,
      tryMs: 400,
    });
  });

  afterEach(async () => {
    await store.close();
    await proxy[Symbol.asyncDispose]();
  });

  test("a commit whose reply is dropped is of unknown outcome, and was applied", async () => {
    proxy.mode = "drop-replies";
    await expect(store.commit([putPart("dropped")])).rejects.toMatchObject(UNKNOWN);
    await expect.poll(() => direct.get("dropped")).toBeDefined();
  });

  test("a commit that the connection breaks under is of unknown outcome", async () => {
    proxy.mode = "drop-replies";
    const commit = expect(store.commit([putPart("broken")])).rejects.toMatchObject(UNKNOWN);
    await expect.poll(() => direct.get("broken")).toBeDefined();
    proxy.reset();
    await commit;
  });

  test("a commit that never reaches a silent server is of unknown outcome too", async () => {
    proxy.mode = "blackhole";
    await expect(store.commit([putPart("silent")])).rejects.toMatchObject(UNKNOWN);
    expect(await direct.get("silent")).toBeUndefined();
  });

  test("a commit for which there is no connection is surely not applied", async () => {
    proxy.mode = "refuse";
    proxy.reset();
    await expect
      .poll(() => store.commit([putPart("never")]).catch((error) => error.applied))
      .toBe("no");
    await expect(store.commit([putPart("never")])).rejects.toMatchObject(NOT_APPLIED);
    proxy.mode = "pass";
    expect(await direct.get("never")).toBeUndefined();
  });

  test("a commit that could not be sent is sent once the server is back", async () => {
    proxy.mode = "refuse";
    proxy.reset();
    await expect.poll(() => store.get("x").catch((error) => error.code)).toBe("STORE_UNAVAILABLE");
    const commit = store.commit([putPart("later")]);
    proxy.mode = "pass";
    expect((await commit)[0]?.applied).toBe(true);
  });

  test("a read, a grant and a revoke are repeated until they are answered", async () => {
    await store.commit([putPart("repeat")]);
    proxy.mode = "drop-replies";
    const read = store.get("repeat");
    const grant = store.grant(2_000);
    await systemClock.sleep(600);
    proxy.mode = "pass";
    expect((await read)?.key).toBe("repeat");
    const { id, ttlMs } = await grant;
    expect(ttlMs).toBeGreaterThanOrEqual(2_000);
    await store.keepAlive(id);
    proxy.mode = "drop-replies";
    const revoke = store.revoke(id);
    await systemClock.sleep(600);
    proxy.mode = "pass";
    await revoke;
    await expect(store.keepAlive(id)).rejects.toMatchObject({ code: "LEASE_LOST" });
  });

  test("a read gives up within its time", async () => {
    proxy.mode = "blackhole";
    const startedMs = systemClock.monotonic();
    await expect(store.get("x")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(systemClock.monotonic() - startedMs).toBeLessThan(3_000);
  });

  test("thousands of reads at once are answered, and a commit does not wait for them", async () => {
    await direct.commit([putPart("read-often")]);
    let answered = 0;
    const reads = Array.from({ length: 5_000 }, async () => {
      const entry = await direct.get("read-often");
      answered += 1;
      return entry?.key;
    });
    await direct.commit([putPart("meanwhile")]);
    expect(answered).toBeLessThan(5_000);
    expect(new Set(await Promise.all(reads))).toEqual(new Set(["read-often"]));
  });

  test("reads that wait behind others give up within their time, too", async () => {
    proxy.mode = "drop-replies";
    const startedAt = performance.now();
    const reads = await Promise.allSettled(Array.from({ length: 2_000 }, () => store.get("a")));
    expect(performance.now() - startedAt).toBeLessThan(6_000);
    for (const read of reads) {
      expect(read).toMatchObject({ status: "rejected", reason: { code: "STORE_UNAVAILABLE" } });
    }
  });

  test("keeping a lease alive survives a lost connection and a silent one", async () => {
    const { id } = await direct.grant(20_000);
    await store.keepAlive(id);
    proxy.reset();
    await store.keepAlive(id);
    proxy.mode = "blackhole";
    const kept = store.keepAlive(id);
    await systemClock.sleep(500);
    proxy.mode = "pass";
    await kept;
    proxy.mode = "blackhole";
    await expect(store.keepAlive(id)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });

  test("what is said of each commit is true while connections break at random", async () => {
    const random = createSeededRandom(line === "3.4" ? 34 : 35);
    const said = new Map<string, string>();
    let breaking = true;
    const breaker = (async () => {
      while (breaking) {
        await systemClock.sleep(5 + 20 * random.next());
        if (random.next() < 0.3) proxy.mode = "drop-replies";
        proxy.reset();
        proxy.mode = "pass";
      }
    })();
    const lanes = Array.from({ length: 8 }, async (_, lane) => {
      for (let n = 0; n < 120; n += 1) {
        const key = `random/${lane}/${n}`;
        const part: Part = { guards: [keyAbsent(key)], writes: [put(key, Buffer.from("1"))] };
        const outcome = store.commit([part]).then(
          ([result]) => (result?.applied ? "yes" : "wrong"),
          (error) => (isEtaskError(error) && "applied" in error ? String(error.applied) : "wrong"),
        );
        said.set(key, await outcome);
      }
    });
    await Promise.all(lanes);
    breaking = false;
    await breaker;
    // A write of unknown outcome may land until its connection is surely gone.
    await direct.commit([putPart("random-end")]);
    const { entries } = await direct.range(prefixRange("random/"));
    const present = new Set(entries.map(({ key }) => key));
    for (const [key, outcome] of said) {
      if (outcome !== "unknown") expect([key, present.has(key)]).toEqual([key, outcome === "yes"]);
    }
    const outcomes = [...said.values()];
    expect(outcomes.filter((outcome) => outcome === "yes").length).toBeGreaterThan(100);
    expect(outcomes.filter((outcome) => outcome === "unknown").length).toBeGreaterThan(5);
  });

  test("closing ends calls that wait for their next try", async () => {
    proxy.mode = "refuse";
    proxy.reset();
    const read = expect(store.get("x")).rejects.toMatchObject({
      code: expect.stringMatching(/STORE_CLOSED|STORE_UNAVAILABLE/),
    });
    const startedMs = systemClock.monotonic();
    await store.close();
    await read;
    expect(systemClock.monotonic() - startedMs).toBeLessThan(1_000);
  });

  test("opening names the servers that do not answer, and no password", async () => {
    proxy.mode = "refuse";
    const { host, port } = proxy.endpoint;
    const opening = openEtcdStore({
      endpoints: [proxy.endpoint, { host: "127.0.0.1", port: 1 }],
      username: "root",
      password: "hush-hush",
      url: `etcd://root:hush-hush@${host}:${port}`,
      operationMs: 500,
    });
    const error: Error = await opening.then(
      () => expect.unreachable(),
      (reason) => reason,
    );
    expect(error).toMatchObject(NOT_APPLIED);
    expect(error.message).toContain(`${host}:${port}, ${host}:1`);
    expect(error.message).not.toContain("hush");
  });
});

describe.each(["3.4", "3.5"] as const)("limits of etcd %s", (line) => {
  test("out of space: puts are refused as full, deletions pass, and room comes back", async () => {
    await using server = await startEtcd({ line, quotaBytes: 12 * 1024 * 1024 });
    await using store = await openEtcdStore(optionsOf(server.url));
    const value = Buffer.alloc(900_000, 1);
    const fill = async () => {
      for (let n = 0; n < 40; n += 1) await store.commit([putPart(`full/${n % 4}`, value)]);
    };
    await expect(fill()).rejects.toMatchObject({ code: "STORE_FULL", applied: "unknown" });
    const [status] = await store.status();
    expect(status).toMatchObject({ alarms: ["NOSPACE"] });
    await expect(store.grant(5_000)).rejects.toMatchObject({ code: "STORE_FULL" });
    const deletes = [0, 1, 2, 3].map((n) => del(`full/${n}`));
    const [deleted] = await store.commit([{ guards: [], writes: deletes }]);
    expect(deleted?.applied).toBe(true);
    await store.compact(deleted?.revision ?? 0);
    await server.ctl("defrag");
    await server.ctl("alarm", "disarm");
    await expect
      .poll(() =>
        store.commit([putPart("full/again")]).then(
          () => "ok",
          (e) => e.code,
        ),
      )
      .toBe("ok");
  });

  test("a server with smaller limits refuses a commit as invalid and names its flags", async () => {
    const flags = ["--max-txn-ops=8", "--max-request-bytes=20000"];
    await using server = await startEtcd({ line, flags });
    await using store = await openEtcdStore(optionsOf(server.url));
    const many = Array.from({ length: 9 }, (_, n) => putPart(`many/${n}`));
    const refused = { code: "INVALID_COMMIT", message: expect.stringContaining("--max-txn-ops") };
    await expect(store.commit(many)).rejects.toMatchObject(refused);
    await expect(store.commit([putPart("large", Buffer.alloc(30_000))])).rejects.toMatchObject(
      refused,
    );
    await expect(store.commit([putPart("huge", Buffer.alloc(1_100_000))])).rejects.toMatchObject(
      refused,
    );
    expect((await store.range(prefixRange(""))).entries).toEqual([]);
  });
});

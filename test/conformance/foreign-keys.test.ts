import assert from "node:assert/strict";
import { afterAll, beforeAll, describe, test } from "vitest";
import { collect, put, textAt, write } from "../../src/store/conformance/support.ts";
import { createNamespacedStore } from "../../src/store/namespaced-store.ts";
import { prefixRange } from "../../src/store/range.ts";
import { openStoreOn } from "../support/etcd-harness.ts";
import { type EtcdServer, startEtcd } from "../support/etcd-server.ts";

describe("keys that another program wrote to etcd", () => {
  let server: EtcdServer;
  beforeAll(async () => {
    server = await startEtcd();
  });
  afterAll(() => server?.stop());

  test("they are returned as they are, by reads and watches", async () => {
    await using store = await openStoreOn(server);
    const before = await write(store, put("zoe", "1"));
    await server.ctl("put", "zoë", "2");
    await server.ctl("put", "zo\nx", "3");
    const { entries } = await store.range(prefixRange("zo"));
    const keys = ["zo\nx", "zoe", "zoë"];
    assert.deepEqual(
      entries.map(({ key }) => key),
      keys,
    );
    assert.equal(await textAt(store, "zoë"), "2");
    const events = await collect(store, prefixRange("zo"), before - 1, 3);
    assert.deepEqual(events.map(({ key }) => key).sort(), keys);
  });

  test("those outside a namespace are not seen in it", async () => {
    await using whole = await openStoreOn(server);
    const store = createNamespacedStore(await openStoreOn(server), "mine/");
    const before = await write(store, put("a", "1"));
    await write(whole, put("mine", "x"), put("mine0", "x"), put("a", "x"), put("yours/a", "x"));
    await write(store, put("b", "1"));
    const page = await store.range(prefixRange(""), { count: true });
    assert.deepEqual([page.entries.map(({ key }) => key), page.count], [["a", "b"], 2]);
    const events = await collect(store, prefixRange(""), before - 1, 2);
    assert.deepEqual(
      events.map(({ key, modRevision }) => [key, modRevision]),
      [
        ["a", before],
        ["b", before + 2],
      ],
    );
    await store.close();
  });
});

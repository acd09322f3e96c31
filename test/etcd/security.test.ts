import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Events } from "../../src/base/events.ts";
import { type EtcdOptions, type EtcdStore, openEtcdStore } from "../../src/store/etcd/index.ts";
import { keyRange, prefixRange } from "../../src/store/range.ts";
import { optionsOf, putPart } from "../support/etcd-driver.ts";
import { type EtcdServer, startEtcd } from "../support/etcd-server.ts";

const DENIED = { code: "STORE_DENIED", applied: "no" };

/** Opens a store that must not open, and returns the error's message. */
async function refusal(options: EtcdOptions): Promise<string> {
  try {
    await using _store = await openEtcdStore({ operationMs: 1_000, ...options });
  } catch (error) {
    expect(error).toMatchObject(DENIED);
    return (error as Error).message;
  }
  return expect.unreachable("the store opened");
}

describe.each(["3.4", "3.5"] as const)("TLS on etcd %s", (line) => {
  let plain: EtcdServer;
  let secure: EtcdServer;
  let mutual: EtcdServer;

  beforeAll(async () => {
    [plain, secure, mutual] = await Promise.all([
      startEtcd({ line }),
      startEtcd({ line, tls: true }),
      startEtcd({ line, clientCertAuth: true }),
    ]);
  });

  afterAll(async () => {
    await Promise.all([plain.stop(), secure.stop(), mutual.stop()]);
  });

  test.each(["secure", "mutual"] as const)("everything works over TLS: %s", async (kind) => {
    const server = kind === "secure" ? secure : mutual;
    await using store = await openEtcdStore(optionsOf(server.url));
    const [written] = await store.commit([putPart("tls/a")]);
    const { id } = await store.grant(5_000);
    await store.keepAlive(id);
    const after = (written?.revision ?? 0) - 1;
    const watch = store.watch(prefixRange("tls/"), { after })[Symbol.asyncIterator]();
    expect((await watch.next()).value.events).toHaveLength(1);
    await store.revoke(id);
  });

  test("plaintext to a TLS server is told to use etcds", async () => {
    const message = await refusal({ endpoints: [secure.endpoint] });
    expect(message).toMatch(/speaks TLS only: use an etcds:\/\/ URL/);
  });

  test("TLS to a plaintext server is told to use etcd", async () => {
    const message = await refusal({ endpoints: [plain.endpoint], tls: {} });
    expect(message).toMatch(/does not speak TLS: use an etcd:\/\/ URL/);
  });

  test("a server whose authority is not trusted is refused", async () => {
    const { endpoint } = secure;
    expect(await refusal({ endpoints: [endpoint], tls: {} })).toMatch(/give its authority as ca=/);
    const other = mutual.certificates?.ca;
    expect(await refusal({ endpoints: [endpoint], tls: { ca: other } })).toMatch(/as ca=/);
  });

  test("a server whose certificate is for another name is refused", async () => {
    const tls = { ca: secure.certificates?.ca, serverName: "etcd.example" };
    expect(await refusal({ endpoints: [secure.endpoint], tls })).toMatch(/for another name/);
  });

  test("a certificate name can be given where the address has another", async () => {
    const tls = { ca: secure.certificates?.ca, serverName: "localhost" };
    await using store = await openEtcdStore({ endpoints: [secure.endpoint], tls });
    expect(await store.get("tls/none")).toBeUndefined();
  });

  test("a missing client certificate is named as such", async () => {
    const tls = { ca: mutual.certificates?.ca };
    const message = await refusal({ endpoints: [mutual.endpoint], tls });
    expect(message).toMatch(/asks for a client certificate|does not trust the client certificate/);
  });

  test("a client certificate of another authority is refused", async () => {
    const own = secure.certificates;
    const tls = { ca: mutual.certificates?.ca, cert: own?.clientCert, key: own?.clientKey };
    const message = await refusal({ endpoints: [mutual.endpoint], tls });
    expect(message).toMatch(/client certificate/);
  });
});

describe.each(["3.4", "3.5"] as const)("users on etcd %s", (line) => {
  let server: EtcdServer;
  let store: EtcdStore;

  beforeAll(async () => {
    server = await startEtcd({ line, auth: true });
    store = await openEtcdStore(optionsOf(server.url));
    await server.ctl("role", "add", "part");
    await server.ctl("role", "grant-permission", "part", "--prefix", "readwrite", "mine/");
    await server.ctl("user", "add", "part:of-it");
    await server.ctl("user", "grant-role", "part", "part");
  });

  afterAll(async () => {
    await store.close();
    await server.stop();
  });

  test("a wrong password, an unknown user and no user are refused with what to do", async () => {
    const { endpoint } = server;
    const wrong = { endpoints: [endpoint], username: "root", password: "guess" };
    expect(await refusal(wrong)).toMatch(/check the name and password/);
    expect(await refusal({ ...wrong, username: "nobody" })).toMatch(/check the name and password/);
    expect(await refusal({ endpoints: [endpoint] })).toMatch(/asks for a user: put USER:PASSWORD@/);
  });

  test("a user works within its permissions and is refused beyond them", async () => {
    const { endpoint } = server;
    const user = { username: "part", password: "of-it" };
    await using part = await openEtcdStore({ endpoints: [endpoint], ...user });
    const [written] = await part.commit([putPart("mine/a")]);
    expect((await part.range(prefixRange("mine/"))).entries).toHaveLength(1);
    await expect(part.get("other")).rejects.toMatchObject(DENIED);
    await expect(part.commit([putPart("other")])).rejects.toMatchObject(DENIED);
    const after = written?.revision ?? 0;
    const denied = part.watch(prefixRange("other/"), { after })[Symbol.asyncIterator]();
    const allowed = part.watch(prefixRange("mine/"), { after })[Symbol.asyncIterator]();
    await expect(denied.next()).rejects.toMatchObject(DENIED);
    const next = allowed.next();
    await part.commit([putPart("mine/b")]);
    expect((await next).value.events[0].key).toBe("mine/b");
  });

  test("tokens lost in a restart are renewed by calls, leases and watches alike", async () => {
    const [written] = await store.commit([putPart("token/a")]);
    const { id } = await store.grant(60_000);
    await store.keepAlive(id);
    const watches = Array.from({ length: 5 }, () =>
      store.watch(prefixRange("token/"), { after: written?.revision ?? 0 })[Symbol.asyncIterator](),
    );
    const next = watches.map((watch) => watch.next());
    await server.restart();
    const commits = Array.from({ length: 10 }, (_, n) =>
      store.get(`token/${n}`).then(() => store.commit([putPart(`token/new/${n}`)])),
    );
    expect((await Promise.all(commits)).flat().every(({ applied }) => applied)).toBe(true);
    await store.keepAlive(id);
    for (const each of await Promise.all(next)) {
      expect(each.value.events[0].key).toMatch(/^token\/new\//);
    }
    await Promise.all(watches.map((watch) => watch.return?.()));
  });

  test("a user who is gone is refused once the token is gone", async () => {
    await server.ctl("user", "add", "brief:first");
    await server.ctl("user", "grant-role", "brief", "root");
    const { endpoint } = server;
    await using brief = await openEtcdStore({
      endpoints: [endpoint],
      username: "brief",
      password: "first",
    });
    const watch = brief.watch(keyRange("brief"), { after: 0 })[Symbol.asyncIterator]();
    const next = expect(watch.next()).rejects.toMatchObject(DENIED);
    await brief.get("brief");
    await server.ctl("user", "delete", "brief");
    await server.restart();
    await expect(brief.get("brief")).rejects.toMatchObject(DENIED);
    await next;
  });
});

test("a user in the URL of an etcd without users is no error but a published hazard", async () => {
  const hazards: Events["etask:store:hazard"][] = [];
  const note = (event: unknown) => void hazards.push(event as Events["etask:store:hazard"]);
  await using server = await startEtcd();
  subscribe("etask:store:hazard", note);
  const user = { username: "root", password: "secret" };
  await using store = await openEtcdStore({ endpoints: [server.endpoint], ...user });
  unsubscribe("etask:store:hazard", note);
  expect((await store.commit([putPart("open")]))[0]?.applied).toBe(true);
  expect(hazards.map(({ hazard }) => hazard)).toContainEqual(
    expect.stringContaining("authentication turned off"),
  );
  expect(JSON.stringify(hazards)).not.toContain("secret");
});

test("options that cannot work are refused before anything is sent", async () => {
  await using server = await startEtcd({ tls: true });
  const endpoints = [{ host: "etcd.example", port: 2379 }];
  const invalid: [EtcdOptions, RegExp][] = [
    [{ endpoints: [] }, /endpoints/],
    [{ endpoints: [{ host: "h", port: 0 }] }, /port/],
    [{ endpoints, username: "u", password: "p" }, /plaintext to etcd\.example/],
    [{ endpoints, username: "u" }, /together/],
    [{ endpoints, tls: { cert: "x" } }, /together/],
    [{ endpoints, tls: { ca: "/no/such/file" } }, /tls\.ca cannot be read/],
    [{ endpoints, tryMs: 1 }, /tryMs/],
  ];
  for (const [options, message] of invalid) {
    await expect(openEtcdStore(options)).rejects.toMatchObject({
      code: "INVALID_OPTIONS",
      message: expect.stringMatching(message),
    });
  }
  const { serverCert, clientKey } = server.certificates ?? expect.unreachable();
  const mixed = { endpoints, tls: { cert: serverCert, key: clientKey } };
  await expect(openEtcdStore(mixed)).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
  const garbage = join(serverCert, "..", "garbage.pem");
  await writeFile(garbage, "no certificate");
  const broken = { endpoints, tls: { cert: garbage, key: clientKey } };
  await expect(openEtcdStore(broken)).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
});

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../../scripts/etcd.mjs";
import { type App, createApp, defineTask, type StoreError } from "../../src/index.ts";
import { put } from "../../src/store/part.ts";
import { type Certificates, makeCertificates } from "../support/etcd-certificates.ts";
import { type EtcdServer, startEtcd } from "../support/etcd-server.ts";
import { refusal, SECRET } from "./refusal.ts";

/** What opening may take at most: 10 s of trying, 1 s to look for the reason, room to be late. */
const OPENING_MS_MAX = 13_000;

let folder: string;
let strangers: Certificates;
let plain: EtcdServer;
let secure: EtcdServer;
let strict: EtcdServer;
let guarded: Readonly<Record<"3.4" | "3.5", EtcdServer>>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "etask-errors-"));
  strangers = await makeCertificates(folder);
  const [old, recent] = await Promise.all([
    startEtcd({ line: "3.4", auth: true }),
    startEtcd({ line: "3.5", auth: true }),
  ]);
  guarded = { "3.4": old, "3.5": recent };
  [plain, secure, strict] = await Promise.all([
    startEtcd(),
    startEtcd({ tls: true }),
    startEtcd({ clientCertAuth: true }),
  ]);
});

afterAll(async () => {
  const servers = [plain, secure, strict, ...Object.values(guarded)];
  await Promise.all(servers.map((server) => server.stop()));
  await rm(folder, { recursive: true, force: true });
});

/** Refused in time with the code, all of `words` in the message, and without having written. */
async function expectRefused(store: string, code: string, ...words: string[]): Promise<void> {
  const start = performance.now();
  const { error } = await refusal(() => createApp({ store }));
  expect(performance.now() - start).toBeLessThan(OPENING_MS_MAX);
  expect({ code: error.code, message: error.message }).toEqual({
    code,
    message: expect.any(String),
  });
  for (const word of words) expect(error.message).toContain(word);
  if (code.startsWith("STORE_")) expect((error as StoreError).applied).toBe("no");
}

const at = ({ endpoint }: EtcdServer) => `${endpoint.host}:${endpoint.port}`;

/** Adds a user that may do `permission` with the keys that begin with `prefix`. */
async function addUser(server: EtcdServer, name: string, permission: string, prefix: string) {
  await server.ctl("role", "add", name);
  await server.ctl("role", "grant-permission", name, permission, "--prefix=true", prefix);
  await server.ctl("user", "add", name, "--interactive=false", "--new-user-password", SECRET);
  await server.ctl("user", "grant-role", name, name);
}

describe.concurrent("an etcd that cannot be reached", () => {
  test("on closed ports, with TLS and without", async () => {
    const [one, two] = [await freePort(), await freePort()];
    const servers = `127.0.0.1:${one},127.0.0.1:${two}`;
    const words = ["No etcd server answered within 10000 ms", servers.replace(",", ", ")];
    await Promise.all([
      expectRefused(`etcd://u:${SECRET}@${servers}/ns`, "STORE_UNAVAILABLE", ...words),
      expectRefused(`etcds://${servers}?ca=${strangers.ca}`, "STORE_UNAVAILABLE", ...words),
    ]);
  });

  test("whose name is not known", async () => {
    const name = "etcd.invalid:2379";
    await expectRefused(`etcd://${name}`, "STORE_UNAVAILABLE", name);
  });

  test("behind a port that never says a word", async () => {
    await using silent = await listen(createServer());
    await expectRefused(`etcd://${silent.name}`, "STORE_UNAVAILABLE", silent.name);
  });

  test("but something else that is", async () => {
    const http = createHttpServer((_, response) => response.end("hello"));
    await using other = await listen(http);
    await expectRefused(`etcd://${other.name}`, "STORE_UNAVAILABLE", other.name);
  });
});

async function listen(server: Server) {
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const sockets = new Set<{ destroy(): void }>();
  server.on("connection", (socket) => sockets.add(socket));
  return {
    name: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe.concurrent("TLS", () => {
  test("must be spoken by both sides or by none", async () => {
    const here = [at(secure), "speaks TLS only: use an etcds:// URL"];
    const there = [at(plain), "does not speak TLS: use an etcd:// URL"];
    await Promise.all([
      expectRefused(`etcd://${at(secure)}`, "STORE_DENIED", ...here),
      expectRefused(`etcds://${at(plain)}?ca=${strangers.ca}`, "STORE_DENIED", ...there),
    ]);
  });

  test("wants the right authority", async () => {
    const words = [at(secure), "certificate is not trusted: give its authority as ca="];
    await expectRefused(`etcds://${at(secure)}?ca=${strangers.ca}`, "STORE_DENIED", ...words);
    await expectRefused(`etcds://${at(secure)}`, "STORE_DENIED", ...words);
  });

  test("wants the right name", async () => {
    const url = `${secure.url}&serverName=etcd.example`;
    await expectRefused(url, "STORE_DENIED", at(secure), "for another name: give serverName=");
  });

  test("wants a client certificate where the server does", async () => {
    const url = `etcds://${at(strict)}?ca=${strict.certificates?.ca}`;
    const words = [at(strict), "asks for a client certificate", "cert= and key="];
    await expectRefused(url, "STORE_DENIED", ...words);
  });

  test("wants a client certificate that the server trusts", async () => {
    const { clientCert, clientKey } = strangers;
    const files = `ca=${strict.certificates?.ca}&cert=${clientCert}&key=${clientKey}`;
    const words = [at(strict), "cert= and key="];
    await expectRefused(`etcds://${at(strict)}?${files}`, "STORE_DENIED", ...words);
  });

  test("works with the right files", async () => {
    await expectWorks(secure.url);
    await expectWorks(strict.url);
  });

  test("needs files that can be read and fit together", async () => {
    const missing = join(folder, "missing.pem");
    const text = join(folder, "text.pem");
    await writeFile(text, "no certificate");
    const { clientCert, serverKey } = strangers;
    await expectRefused(`etcds://h?ca=${missing}`, "INVALID_OPTIONS", "tls.ca", missing);
    await expectRefused(
      `etcds://h?ca=${text}`,
      "INVALID_OPTIONS",
      "tls.ca holds no certificate",
      text,
    );
    const pair = `cert=${clientCert}&key=${serverKey}`;
    await expectRefused(`etcds://h?${pair}`, "INVALID_OPTIONS", "do not fit together");
  });

  test("is needed where a password travels to another machine", async () => {
    const url = `etcd://root:${SECRET}@10.1.2.3:2379`;
    await expectRefused(url, "INVALID_OPTIONS", "10.1.2.3", "use etcds://");
  });
});

describe.each(["3.4", "3.5"] as const)("an etcd %s with users", (line) => {
  test("refuses a wrong password, an unknown user and nobody", async () => {
    const server = guarded[line];
    const root = await createApp({ store: server.url });
    const before = (await root.store.range({ start: "a", end: "b" })).revision;
    const words = ["check the name and password", at(server)];
    await expectRefused(`etcd://root:${SECRET}@${at(server)}`, "STORE_DENIED", ...words);
    await expectRefused(`etcd://nobody:${SECRET}@${at(server)}`, "STORE_DENIED", ...words);
    await expectRefused(
      `etcd://${at(server)}`,
      "STORE_DENIED",
      "put USER:PASSWORD@ into the store",
    );
    expect((await root.store.range({ start: "a", end: "b" })).revision).toBe(before);
    await root.close();
  });

  test("refuses a user who may not read or not write the namespace", async () => {
    const server = guarded[line];
    await addUser(server, "other", "readwrite", "other/");
    await addUser(server, "reader", "read", "mine/");
    const root = await createApp({ store: server.url });
    const before = (await root.store.range({ start: "a", end: "b" })).revision;
    for (const name of ["other", "reader"]) {
      const url = `etcd://${name}:${SECRET}@${at(server)}/mine`;
      await expectRefused(url, "STORE_DENIED", "the user's roles", "permission denied");
    }
    expect((await root.store.range({ start: "a", end: "b" })).revision).toBe(before);
    await root.close();
  });

  test("serves a user who may write the namespace and nothing else", async () => {
    const server = guarded[line];
    await addUser(server, "owner", "readwrite", "own/");
    const store = `etcd://owner:${SECRET}@${at(server)}/own`;
    await expectWorks(store);
  });
});

async function expectWorks(store: string): Promise<void> {
  const task = defineTask({ name: "works", run: () => "yes" });
  await using app: App = await createApp({ store, tasks: [task] });
  const handle = await task.delay();
  await app.createWorker().start();
  expect(await handle.result({ timeout: "10s" })).toBe("yes");
}

describe("an etcd without users", () => {
  test("serves whoever names one all the same", async () => {
    await expectWorks(`etcd://root:${SECRET}@${at(plain)}`);
  });

  test("is refused when its keys are of a newer layout", async () => {
    await using app = await createApp({ store: `${plain.url}/newer` });
    const meta = put("meta", Buffer.from('{"v":1,"schema":2,"createdAt":0}'));
    await app.store.commit([{ guards: [], writes: [meta] }]);
    const open = () => createApp({ store: `${plain.url}/newer` });
    const { code, message } = await refusal(open, app.store);
    expect(code).toBe("SCHEMA_VERSION");
    expect(message).toContain("layout version 2; this etask reads version 1. Upgrade");
    await expectWorks(`${plain.url}/newer/or-not`);
  });
});

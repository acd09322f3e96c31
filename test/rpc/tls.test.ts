import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { InvalidOptionsError } from "../../src/base/errors.ts";
import { listAgents, type RpcTlsOptions, rpcTask, serveAgent } from "../../src/tasks/rpc/index.ts";
import { type Certificates, makeCertificates } from "../support/etcd-certificates.ts";
import { openFleet, openMemory } from "./support/fleet.ts";

const WAIT = { timeout: "20s" } as const;

let folder: string;
let files: Certificates;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "etask-rpc-tls-"));
  files = await makeCertificates(folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const ping = { ping: () => "pong" };
const define = (tls: RpcTlsOptions | undefined) =>
  rpcTask<void>({ name: "ping", agent: "node-1", method: "ping", ...(tls && { tls }) });
const mutual = () => ({
  tls: { ca: files.ca, cert: files.serverCert, key: files.serverKey },
});

test("tls: with certificates on both sides calls go through", async () => {
  const tls = { ca: files.ca, cert: files.clientCert, key: files.clientKey };
  const task = define(tls);
  await using fleet = await openFleet([task]);
  await fleet.agent({ methods: ping, ...mutual() });
  expect(await (await task.delay()).result(WAIT)).toBe("pong");
  expect(await listAgents(fleet.store, { tls })).toMatchObject([{ tls: true, running: 0 }]);
  expect(await listAgents(fleet.store)).toMatchObject([{ running: undefined }]);
});

test.each<[string, () => RpcTlsOptions | undefined]>([
  ["without TLS", () => undefined],
  ["without a certificate of its own", () => ({ ca: files.ca })],
  ["that does not trust the agent's authority", () => ({})],
  [
    "that expects another name",
    () => ({
      ca: files.ca,
      cert: files.clientCert,
      key: files.clientKey,
      serverName: "node-2.example",
    }),
  ],
])("tls: a caller %s is denied, and says so", async (_who, tls) => {
  const task = define(tls());
  await using fleet = await openFleet([task]);
  await fleet.agent({ methods: ping, ...mutual() });
  const end = await (await task.delay()).settle(WAIT);
  expect(end).toMatchObject({ state: "failed", error: { code: "RPC_DENIED" } });
});

test("tls: an agent that other hosts can reach needs it, or must say that it does not", async () => {
  await using opened = await openMemory();
  const options = { store: opened.store, name: "node-1", methods: ping, advertise: "127.0.0.1" };
  const open = serveAgent({ ...options, address: "0.0.0.0:0" });
  await expect(open).rejects.toThrow(InvalidOptionsError);
  await expect(open).rejects.toThrow(/give it tls, or say insecure: true/);
  await using agent = await serveAgent({ ...options, address: "0.0.0.0:0", insecure: true });
  expect(agent.address).toMatch(/^127\.0\.0\.1:\d+$/);
});

import { credentials, Client as GrpcClient } from "@grpc/grpc-js";
import { findEtcd } from "../../../scripts/etcd.mjs";
import type { Client, Connection, Contender } from "../contender.ts";
import { nodeProgram } from "../node-program.ts";
import { missingEtcd, startEtcdServers } from "./etask.ts";
import { rangeKeys, rangeRequest, txnHeld, txnRequest } from "./raw/etcd-wire.ts";
import { NOT_A_QUEUE } from "./raw/not-a-queue.ts";
import { createRawClient, type RawStore } from "./raw/raw-client.ts";

const DEADLINE_MS = 30_000;
const RECEIVE_BYTES_MAX = 64 * 1024 * 1024;

/** As etask groups them: what etcd takes at most, and a few commits under way. */
const PARTS_MAX = 96;
const FLIGHTS_MAX = 4;

/** The same operations on one etcd, by a client that can do nothing else. */
export const rawEtcdContenders: readonly Contender[] = [
  {
    name: "raw-etcd",
    title: "raw etcd, the same operations",
    configuration:
      "@grpc/grpc-js with messages written by hand; up to 96 parts in a transaction, 4 " +
      "transactions under way, as etask has; etcd as for etask.",
    program: nodeProgram("raw-etcd"),
    // Not a number of handlers here, but what keeps its transactions full.
    concurrency: FLIGHTS_MAX * PARTS_MAX,
    raw: true,
    cannot: NOT_A_QUEUE,
    missing: missingEtcd,
    versions: async () => [`etcd ${(await findEtcd("3.5")).version}`],
    start: () => startEtcdServers(1),
  },
];

/** The client of `program.ts`. */
export async function open({ port }: Connection): Promise<Client> {
  const client = new GrpcClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
    "grpc.max_receive_message_length": RECEIVE_BYTES_MAX,
    "grpc.enable_http_proxy": 0,
    "grpc.enable_retries": 0,
  });
  const call = (method: string, request: Buffer) =>
    new Promise<Buffer>((resolve, reject) => {
      client.makeUnaryRequest<Buffer, Buffer>(
        `/etcdserverpb.KV/${method}`,
        (bytes) => bytes,
        (bytes) => bytes,
        request,
        { deadline: Date.now() + DEADLINE_MS },
        (error, answer) => {
          if (error === null && answer !== undefined) resolve(answer);
          else reject(error ?? new Error("etcd gave no answer."));
        },
      );
    });
  const store: RawStore = {
    partsMax: PARTS_MAX,
    flightsMax: FLIGHTS_MAX,
    commit: async (parts) => txnHeld(await call("Txn", txnRequest(parts)), parts.length),
    keys: async (prefix, after, limit) =>
      rangeKeys(await call("Range", rangeRequest(`${after}\0`, `${prefix}\x7f`, limit))),
    close: async () => client.close(),
  };
  return createRawClient(store);
}

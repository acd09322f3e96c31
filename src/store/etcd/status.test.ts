import { describe, expect, test } from "vitest";
import { judge, judgeCancelReason, storeError, type Verdict, type VerdictKind } from "./status.ts";
import { RpcError } from "./transport.ts";

const NO_CONNECTION = "No connection established. Last error: ";

const CASES: readonly [code: number, text: string, VerdictKind, Verdict["applied"]][] = [
  [
    14,
    `${NO_CONNECTION}Error: connect ECONNREFUSED 127.0.0.1:1. Resolution note: `,
    "unavailable",
    "no",
  ],
  [14, "Name resolution failed for target dns:nowhere:2379", "unavailable", "no"],
  [14, "Channel closed before call started", "unavailable", "no"],
  [14, `${NO_CONNECTION}Error: unable to verify the first certificate.`, "tls", "no"],
  [14, `${NO_CONNECTION}0A000412:SSL routines:\nSSL alert number 42\n (x).`, "tls", "no"],
  [14, "etcdserver: no leader", "unavailable", "no"],
  [14, "etcdserver: request timed out", "unavailable", "unknown"],
  [
    14,
    "etcdserver: request timed out, possibly due to previous leader failure",
    "unavailable",
    "unknown",
  ],
  [14, "etcdserver: leader changed", "unavailable", "unknown"],
  [14, "etcdserver: server stopped", "unavailable", "unknown"],
  [14, "read ECONNRESET", "unavailable", "unknown"],
  [14, "Connection dropped", "unavailable", "unknown"],
  [4, "Deadline exceeded after 3.000s,Waiting for LB pick", "unavailable", "no"],
  [
    4,
    "Deadline exceeded after 3.000s,LB pick: 0.002s,remote_addr=127.0.0.1:1",
    "unavailable",
    "unknown",
  ],
  [1, "Cancelled on client", "unavailable", "unknown"],
  [2, "context deadline exceeded", "unavailable", "unknown"],
  [13, "Received RST_STREAM with code 2", "unavailable", "unknown"],
  [8, "etcdserver: mvcc: database space exceeded", "full", "unknown"],
  [8, "etcdserver: too many requests", "unavailable", "no"],
  [8, "grpc: received message larger than max (3 vs. 2)", "invalid", "no"],
  [8, "Received message larger than max (70000000 vs 67108864)", "answer-too-large", "unknown"],
  [8, "Bandwidth exhausted or memory limit exceeded", "unavailable", "unknown"],
  [3, "etcdserver: too many operations in txn request", "invalid", "no"],
  [3, "etcdserver: duplicate key given in txn request", "invalid", "no"],
  [3, "etcdserver: request is too large", "invalid", "no"],
  [3, "etcdserver: user name is empty", "user-missing", "no"],
  [3, "etcdserver: revision of auth store is old", "token", "no"],
  [3, "etcdserver: authentication failed, invalid user ID or password", "denied", "no"],
  [16, "etcdserver: invalid auth token", "token", "no"],
  [7, "etcdserver: permission denied", "denied", "no"],
  [5, "etcdserver: requested lease not found", "lease-lost", "no"],
  [9, "etcdserver: lease already exists", "lease-exists", "no"],
  [9, "etcdserver: authentication is not enabled", "users-off", "no"],
  [9, "etcdserver: rpc not supported for learner", "unavailable", "no"],
  [11, "etcdserver: mvcc: required revision has been compacted", "compacted", "no"],
  [11, "etcdserver: mvcc: required revision is a future revision", "unavailable", "no"],
  [15, "etcdserver: corrupt cluster", "refused", "no"],
  [12, "unknown service etcdserverpb.KV", "refused", "no"],
  [99, "something that nobody has seen yet", "unavailable", "unknown"],
];

describe("status", () => {
  test.each(CASES)("%i %s", (code, text, kind, applied) => {
    expect(judge(new RpcError(code, text))).toEqual({ kind, applied });
  });

  const reasons: readonly [string, VerdictKind][] = [
    ["rpc error: code = Unauthenticated desc = etcdserver: invalid auth token", "token"],
    ["rpc error: code = PermissionDenied desc = etcdserver: permission denied", "denied"],
    ["etcdserver: permission denied", "denied"],
    ["rpc error: code = InvalidArgument desc = etcdserver: user name is empty", "user-missing"],
    ["etcdserver: no leader", "unavailable"],
    ["", "unavailable"],
  ];
  test.each(reasons)("a watch that ends with %j", (reason, kind) => {
    expect(judgeCancelReason(reason)).toBe(kind);
  });

  test("the error of a final verdict tells what may have been applied, where, and the text", () => {
    const story = { where: "etcd KV/Txn at h:2379", text: "etcdserver: request timed out" };
    expect(storeError({ kind: "unavailable", applied: "unknown" }, story)).toMatchObject({
      code: "STORE_UNAVAILABLE",
      applied: "unknown",
      message: expect.stringContaining("etcd KV/Txn at h:2379: etcdserver: request timed out"),
    });
    const lost = storeError({ kind: "lease-lost", applied: "no" }, { ...story, lease: "77" });
    expect(lost).toMatchObject({ code: "LEASE_LOST", lease: "77" });
  });
});

import { Metadata, status } from "@grpc/grpc-js";
import protobuf from "protobufjs";
import "protobufjs/ext/descriptor.js";
import { expect, test } from "vitest";
import { z } from "zod";
import { createDeferred } from "../../src/base/deferred.ts";
import { InvalidOptionsError } from "../../src/base/errors.ts";
import { type GrpcMessage, type GrpcTaskOptions, grpcTask } from "../../src/tasks/rpc/index.ts";
import { createAttempt, failureOf, run } from "../tasks/support/attempt.ts";
import { DISKS_PROTO, startDisks } from "./support/disks-server.ts";
import { openFleet } from "./support/fleet.ts";

const disks = { name: "disks", proto: DISKS_PROTO, service: "fleet.v1.Disks" } as const;

type Options = Partial<GrpcTaskOptions<unknown, unknown, unknown, unknown>>;
const format = (address: string, options: Options = {}) =>
  grpcTask({ ...disks, method: "Format", address, ...options });
const wipe = (address: string, options: Options = {}) =>
  grpcTask({ ...disks, method: "Wipe", address, ...options });

test("grpc: a service is called through the queue, with messages that are JSON", async () => {
  await using server = await startDisks({
    format: ({ device, size }) => ({
      blocks: size?.bytes ?? "0",
      label: Buffer.from(device),
      state: "CLEAN",
    }),
  });
  const task = grpcTask({
    ...disks,
    method: "Format",
    input: z.object({ host: z.string(), device: z.string() }),
    address: ({ host }) => host,
    request: ({ device }) => ({ device, size: { bytes: "9007199254740993" } }),
  });
  await using _fleet = await openFleet([task]);
  const handle = await task.delay({ host: server.address, device: "sdb" });
  expect(await handle.result({ timeout: "20s" })).toEqual({
    blocks: "9007199254740993",
    label: Buffer.from("sdb").toString("base64"),
    state: "CLEAN",
  });
});

test("grpc: the service learns which attempt at which task calls, and the trace", async () => {
  const seen = createDeferred<Record<string, unknown>>();
  await using server = await startDisks({
    format: (_request, { metadata }) => {
      seen.resolve(metadata.getMap());
      return {};
    },
  });
  const task = format(server.address, { metadata: () => ({ tenant: "a" }) });
  const headers = { traceparent: "00-1-2-01" };
  await run(task, { device: "sdb" }, createAttempt({ id: "t-1", attempt: 3, fence: 9, headers }));
  expect(await seen.promise).toMatchObject({
    tenant: "a",
    traceparent: "00-1-2-01",
    "etask-task": "t-1",
    "etask-attempt": "3",
    "etask-fence": "9",
  });
});

test("grpc: a stream's messages are collected, or taken one by one", async () => {
  await using server = await startDisks({
    wipe: (stream) => {
      for (const percent of [10, 60, 100]) stream.write({ percent });
      stream.end();
    },
  });
  const all = [{ percent: 10 }, { percent: 60 }, { percent: 100 }];
  expect(await run(wipe(server.address), { device: "sdb" })).toEqual(all);
  const attempt = createAttempt();
  const task = wipe(server.address, {
    onMessage: ({ percent }, context) => context.progress(percent as number),
    response: (last) => (last as GrpcMessage).percent,
  });
  expect(await run(task, { device: "sdb" }, attempt)).toBe(100);
  expect(attempt.reports.map(([percent]) => percent)).toEqual([10, 60, 100]);
});

test("grpc: a stream that goes on and on is cut off, for good", async () => {
  const cancelled = createDeferred<void>();
  await using server = await startDisks({
    wipe: (stream) => {
      stream.once("cancelled", () => cancelled.resolve());
      for (let count = 0; count < 1_500; count += 1) stream.write({ percent: 1 });
    },
  });
  const failure = await failureOf(run(wipe(server.address), { device: "sdb" }));
  expect(failure.code).toBe("PAYLOAD_TOO_LARGE");
  await cancelled.promise;
});

test("grpc: what onMessage throws ends the call, and is the attempt's error", async () => {
  const cancelled = createDeferred<void>();
  await using server = await startDisks({
    wipe: (stream) => {
      stream.once("cancelled", () => cancelled.resolve());
      stream.write({ percent: 1 });
    },
  });
  const onMessage = () => {
    throw new RangeError("enough");
  };
  const failure = await failureOf(run(wipe(server.address, { onMessage }), { device: "sdb" }));
  expect(failure).toMatchObject({ name: "RangeError", message: "enough" });
  await cancelled.promise;
});

test("grpc: an attempt that must stop cancels the call", async () => {
  const called = createDeferred<void>();
  const cancelled = createDeferred<void>();
  await using server = await startDisks({
    wipe: (stream) => {
      stream.once("cancelled", () => cancelled.resolve());
      called.resolve();
    },
  });
  const attempt = createAttempt();
  const result = failureOf(run(wipe(server.address), { device: "sdb" }, attempt));
  await called.promise;
  attempt.abort("timeout");
  expect(await result).toMatchObject({ code: "ATTEMPT_ABORTED", reason: "timeout" });
  await cancelled.promise;
});

test.each([
  ...["INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED"].map(final),
  ...["UNAUTHENTICATED", "FAILED_PRECONDITION", "OUT_OF_RANGE", "UNIMPLEMENTED"].map(final),
  final("DATA_LOSS"),
  ...["ABORTED", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN"].map(again),
])("grpc: the status %s means final: %s", async (name, isFinal) => {
  await using server = await startDisks({
    format: () => {
      throw { code: status[name as keyof typeof status], details: "no such disk" };
    },
  });
  const failure = await failureOf(run(format(server.address), { device: "sdb" }));
  expect(failure).toMatchObject({ code: "RPC_FAILED", status: name, final: isFinal });
  expect(failure.message).toContain(`fleet.v1.Disks/Format at ${server.address} answered ${name}`);
  expect(failure.message).toContain("no such disk");
});

function final(name: string): [string, boolean] {
  return [name, true];
}

function again(name: string): [string, boolean] {
  return [name, false];
}

test("grpc: a definition may judge statuses otherwise, and a server may say when or never", async () => {
  const metadata = new Metadata();
  let code: number = status.NOT_FOUND;
  await using server = await startDisks({
    format: () => {
      throw { code, details: "", metadata };
    },
  });
  const task = format(server.address, { statuses: { NOT_FOUND: "retry", INTERNAL: "final" } });
  expect((await failureOf(run(task))).final).toBe(false);
  metadata.set("grpc-retry-pushback-ms", "1500");
  expect(await failureOf(run(task))).toMatchObject({ final: false, retryAfterMs: 1_500 });
  metadata.set("grpc-retry-pushback-ms", "-1");
  expect(await failureOf(run(task))).toMatchObject({ final: true, retryAfterMs: 0 });
  metadata.remove("grpc-retry-pushback-ms");
  code = status.INTERNAL;
  expect((await failureOf(run(task))).final).toBe(true);
});

test("grpc: a service that is not there, or does not answer in time", async () => {
  const server = await startDisks({});
  const slow = format(server.address, { deadline: 100 });
  expect(await failureOf(run(slow))).toMatchObject({ status: "DEADLINE_EXCEEDED", final: false });
  await server[Symbol.asyncDispose]();
  const gone = format(server.address);
  expect((await failureOf(run(gone))).code).toBe("RPC_UNAVAILABLE");
});

test("grpc: a request that is no such message is a final failure, and nothing is sent", async () => {
  const failure = await failureOf(run(format("127.0.0.1:1"), { size: "large" }));
  expect(failure.code).toBe("INVALID_INPUT");
  expect(failure.message).toMatch(
    /^The request for fleet\.v1\.Disks\/Format is not as its service/,
  );
});

test("grpc: a descriptor set describes the service as well", async () => {
  await using server = await startDisks({ format: () => ({ blocks: 7 }) });
  const root = await new protobuf.Root().load(DISKS_PROTO);
  const set = (root as unknown as { toDescriptor(version: string): protobuf.Message }).toDescriptor(
    "proto3",
  );
  const descriptor = set.$type.encode(set).finish();
  const { proto: _proto, ...rest } = disks;
  const task = grpcTask({ ...rest, descriptor, method: "Format", address: server.address });
  expect(await run(task, undefined)).toMatchObject({ blocks: "7" });
});

test.each<[string, object, RegExp]>([
  ["proto that is not there", { proto: "/no/such.proto" }, /^proto cannot be read: .*ENOENT/],
  ["proto that is none", { proto: import.meta.filename }, /^proto cannot be read: /],
  ["service", { service: "fleet.v1.Disk" }, /"fleet\.v1\.Disk" is not .* fleet\.v1\.Disks\.$/],
  ["method", { method: "toString" }, /^method "toString" is not .* Format, Wipe, Upload\.$/],
  ["method with a stream of requests", { method: "Upload" }, /takes a stream of requests/],
  ["description twice", { descriptor: "x" }, /proto or descriptor, one of the two/],
  ["address", { address: "" }, /^address must be a text/],
  ["onMessage of no stream", { onMessage: () => {} }, /onMessage is for streams/],
  ["status", { statuses: { LOST: "retry" } }, /a name in statuses must be one of CANCELLED/],
  ["verdict", { statuses: { ABORTED: "never" } }, /statuses\.ABORTED must be one of retry/],
  ["deadline", { deadline: "soon" }, /^deadline must be a duration/],
])("grpc: a bad %s is refused where the task is defined", (_what, options, message) => {
  const define = () => format("127.0.0.1:1", options);
  expect(define).toThrow(InvalidOptionsError);
  expect(define).toThrow(message);
});

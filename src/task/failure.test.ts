import fc from "fast-check";
import { expect, test } from "vitest";
import { WaitTimeoutError } from "../base/errors.ts";
import { NotJsonError } from "../base/json.ts";
import { decodeState } from "./decode.ts";
import { AttemptAbortedError, failureOf, isFinalFailure, TaskFailedError } from "./failure.ts";
import { encodeRecord } from "./records.ts";

function proxy(): object {
  const refuse = () => {
    throw new Error("hands off");
  };
  const handler = { get: refuse, has: refuse, ownKeys: refuse, getPrototypeOf: refuse };
  return new Proxy(new Error("inside"), handler);
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function withGetter(member: string): Error {
  const error = new Error("inside");
  Object.defineProperty(error, member, {
    get: () => {
      throw new Error("hands off");
    },
  });
  return error;
}

const hostile: readonly [string, unknown][] = [
  ["a proxy that refuses everything", proxy()],
  ["a revoked proxy", revoked()],
  ...["name", "message", "stack", "cause", "code"].map((member): [string, unknown] => [
    `an error whose ${member} throws`,
    withGetter(member),
  ]),
  ["an error whose message is a symbol", Object.assign(new Error(), { message: Symbol("m") })],
  ["an error whose name is an object", Object.assign(new Error(), { name: { a: 1 } })],
  ["an object that is written as nothing", { toJSON: () => undefined }],
  ["an object that cannot be written", { toJSON: withGetter }],
  ["a BigInt in an object", { size: 1n }],
  ["an object without a prototype", Object.create(null)],
  ["a function", () => 1],
  ["a symbol", Symbol("s")],
  ["nothing", undefined],
  ["null", null],
  ["a lone surrogate", new Error("\ud800")],
];

test.each(hostile)("failure: %s becomes data that the store can hold", (_what, thrown) => {
  const error = failureOf(thrown);
  expect(typeof error.name).toBe("string");
  expect(typeof error.message).toBe("string");
  const bytes = encodeRecord({ state: "failed", attempt: 1, at: 1, error });
  expect(decodeState(bytes).error).toMatchObject({ name: error.name });
  expect(isFinalFailure(thrown)).toBe(false);
});

test("failure: anything at all becomes data", () => {
  fc.assert(
    fc.property(fc.anything({ withNullPrototype: true, withBigInt: true }), (thrown) => {
      const { name, message } = failureOf(thrown);
      expect([typeof name, typeof message]).toEqual(["string", "string"]);
    }),
  );
});

test("failure: an error keeps its name, message, code, stack and cause", () => {
  const cause = new RangeError("disk 2 is gone");
  const error = Object.assign(new TypeError("no disks", { cause }), { code: "E_DISK" });
  expect(failureOf(error)).toEqual({
    name: "TypeError",
    message: "no disks",
    code: "E_DISK",
    stack: error.stack,
    cause: { name: "RangeError", message: "disk 2 is gone", stack: cause.stack },
  });
  expect(failureOf("just a text")).toEqual({ name: "Error", message: "just a text" });
  expect(failureOf({ reason: 7 })).toEqual({ name: "Error", message: '{"reason":7}' });
});

test("failure: every member is bounded, also over a chain of causes without end", () => {
  const error = new Error("m".repeat(1_000_000));
  Object.assign(error, { name: "n".repeat(1_000), code: "c".repeat(1_000), cause: error });
  error.stack = "s".repeat(1_000_000);
  const failure = failureOf(error);
  expect(failure.message).toHaveLength(4_096);
  expect(failure.message.endsWith("…")).toBe(true);
  expect(failure.name).toHaveLength(200);
  expect(failure.code).toHaveLength(200);
  expect(failure.stack).toHaveLength(8_192);
  expect(encodeRecord(failure).byteLength).toBeLessThan(100_000);
});

test("failure: what another attempt cannot mend is final", () => {
  expect(isFinalFailure(new NotJsonError("no"))).toBe(true);
  expect(isFinalFailure(new WaitTimeoutError("no"))).toBe(false);
  expect(isFinalFailure(new AttemptAbortedError("shutdown"))).toBe(false);
  expect(isFinalFailure(new Error("no"))).toBe(false);
});

test("failure: the error that a waiter gets says what the handler threw", () => {
  const error = new TaskFailedError("a", { name: "RangeError", message: "disk 2 is gone" });
  expect(error.message).toBe("Task a failed: RangeError: disk 2 is gone");
  expect(error.failure.name).toBe("RangeError");
});

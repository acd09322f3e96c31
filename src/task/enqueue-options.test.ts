import { expect, test } from "vitest";
import { checkTaskOptions, DEFAULT_RETENTION, resolveDelayOptions } from "./enqueue-options.ts";

const DAY_MS = 86_400_000;

test("options: without a word everything has its default", () => {
  expect(resolveDelayOptions({})).toEqual({
    id: undefined,
    idPrefix: "",
    queue: "default",
    priority: 5,
    headers: undefined,
    retry: undefined,
    retention: undefined,
    idle: false,
    preempt: false,
  });
});

test("options: the definition says what holds unless the enqueue says otherwise", () => {
  const definition = { queue: "disk", priority: 1, idPrefix: "disk/", retention: "1d" };
  expect(resolveDelayOptions(definition)).toMatchObject({
    queue: "disk",
    priority: 1,
    idPrefix: "disk/",
    retention: { succeededMs: DAY_MS, failedMs: DAY_MS },
  });
  expect(
    resolveDelayOptions(definition, { queue: "mail", priority: 0, idPrefix: "m/", retention: {} }),
  ).toMatchObject({ queue: "mail", priority: 0, idPrefix: "m/", retention: DEFAULT_RETENTION });
});

test("options: a whole id goes before the definition's prefix", () => {
  expect(resolveDelayOptions({ idPrefix: "disk/" }, { id: "sdb" }).id).toBe("sdb");
});

test("options: an enqueue's retry is stored, the definition's is left to the worker", () => {
  expect(resolveDelayOptions({ retry: { attempts: 3 } }).retry).toBeUndefined();
  expect(resolveDelayOptions({}, { retry: { attempts: 3, delay: "2s" } }).retry).toEqual({
    attempts: 3,
    backoff: "exponential",
    delayMs: 2_000,
    maxMs: 3_600_000,
  });
});

test("options: a retention may differ by the end", () => {
  expect(resolveDelayOptions({}, { retention: { succeeded: "1m" } }).retention).toEqual({
    succeededMs: 60_000,
    failedMs: DEFAULT_RETENTION.failedMs,
  });
});

test.each([
  [{ id: "a#b" }, "id must"],
  [{ id: "" }, "id must"],
  [{ id: "a", idPrefix: "b/" }, "either id or idPrefix"],
  [{ idPrefix: "" }, "idPrefix must"],
  [{ queue: "a/b" }, "queue must"],
  [{ priority: 10 }, "priority must"],
  [{ priority: "9" }, "priority must"],
  [{ retry: { attempts: 0 } }, "retry.attempts must"],
  [{ retry: 5 }, "retry must be an object"],
  [{ retention: "-1s" }, "retention must"],
  [{ retention: { failed: "11000d" } }, "retention.failed must"],
  [{ retention: { cancelled: "1d" } }, 'retention has no option "cancelled"'],
  [{ headers: "a" }, "headers must be an object"],
  [{ headers: ["a"] }, "headers must be an object"],
  [{ headers: null }, "headers must be an object"],
  [{ headers: { a: 1 } }, "headers.a must be a text"],
  [{ headers: JSON.parse('{"__proto__": "x"}') }, "headers.__proto__ must"],
  [{ headers: { a: "x".repeat(4_096) } }, "headers may have up to 32 members and 4096 bytes"],
  [
    { headers: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`h${i}`, ""])) },
    "headers may have up to 32 members",
  ],
  [{ prority: 9 }, 'delay has no option "prority"; known options: queue, priority'],
  [null, "delay must be an object"],
  ["5m", "delay must be an object"],
])("options: %j is refused by name", (given, message) => {
  expect(() => resolveDelayOptions({}, given as object)).toThrow(
    expect.objectContaining({
      code: "INVALID_OPTIONS",
      message: expect.stringContaining(message) as unknown as string,
    }),
  );
});

test.each([
  [{ retry: { attempts: -1 } }, "retry.attempts"],
  [{ retention: -5 }, "retention"],
  [{ queue: "" }, "queue"],
])("options: the definition %j is refused when it is made", (definition, message) => {
  expect(() => checkTaskOptions(definition)).toThrow(message);
});

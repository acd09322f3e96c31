import { expect, test } from "vitest";
import { resolveWorkerOptions } from "./worker-options.ts";

test("worker options: without a word everything has its default", () => {
  expect(resolveWorkerOptions()).toEqual({
    concurrency: 3,
    queues: ["default"],
    leaseTtlMs: 15_000,
    drainMs: 30_000,
  });
});

test("worker options: a queue that is named twice counts once", () => {
  expect(resolveWorkerOptions({ queues: ["a", "b", "a"] }).queues).toEqual(["a", "b"]);
});

test.each([
  [{ concurrency: 0 }, "concurrency must"],
  [{ concurrency: 10_001 }, "concurrency must"],
  [{ concurrency: "3" }, "concurrency must"],
  [{ queues: [] }, "queues must"],
  [{ queues: "mail" }, "queues must"],
  [{ queues: ["a/b"] }, "queue must"],
  [{ queues: new Array(65).fill("q") }, "queues must"],
  [{ leaseTtl: "1s" }, "leaseTtl must"],
  [{ leaseTtl: "2h" }, "leaseTtl must"],
  [{ drain: -1 }, "drain must"],
  [{ drain: "2d" }, "drain must"],
  [{ concurency: 3 }, 'worker has no option "concurency"'],
  [null, "worker must be an object"],
])("worker options: %j is refused by name", (given, message) => {
  expect(() => resolveWorkerOptions(given as object)).toThrow(
    expect.objectContaining({
      code: "INVALID_OPTIONS",
      message: expect.stringContaining(message) as unknown as string,
    }),
  );
});

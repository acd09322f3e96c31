import { expect, test } from "vitest";
import { resolveWorkerOptions } from "./worker-options.ts";

test("worker options: without a word everything has its default", () => {
  expect(resolveWorkerOptions()).toEqual({
    concurrency: 3,
    scale: undefined,
    queues: ["default"],
    leaseTtlMs: 15_000,
    drainMs: 30_000,
    isolation: expect.anything(),
    idle: expect.anything(),
  });
});

test("worker options: a concurrency between bounds begins at the lower one", () => {
  expect(resolveWorkerOptions({ concurrency: { min: 2, max: 16 } })).toMatchObject({
    concurrency: 2,
    scale: { min: 2, max: 16 },
  });
  expect(resolveWorkerOptions({ concurrency: { min: 4, max: 4 } })).toMatchObject({
    concurrency: 4,
    scale: undefined,
  });
});

test("worker options: idle tasks have limits of their own, or are left to others", () => {
  expect(resolveWorkerOptions().idle).toEqual({
    cpu: 0.5,
    memoryFree: 0.1,
    eventLoopDelayMs: 50,
    probe: undefined,
  });
  const probe = () => true;
  const idle = { cpu: 1, memoryFree: 0, eventLoopDelay: "1s", probe };
  expect(resolveWorkerOptions({ idle }).idle).toEqual({
    ...{ cpu: 1, memoryFree: 0, eventLoopDelayMs: 1_000, probe },
  });
  expect(resolveWorkerOptions({ idle: false }).idle).toBeUndefined();
});

test("worker options: a queue that is named twice counts once", () => {
  expect(resolveWorkerOptions({ queues: ["a", "b", "a"] }).queues).toEqual(["a", "b"]);
});

test.each([
  [{ concurrency: 0 }, "concurrency must"],
  [{ concurrency: 10_001 }, "concurrency must"],
  [{ concurrency: "3" }, "concurrency must"],
  [{ concurrency: { min: 0, max: 4 } }, "concurrency.min must"],
  [{ concurrency: { min: 5, max: 4 } }, "concurrency.max must be a whole number from 5"],
  [{ concurrency: { min: 1, max: 10_001 } }, "concurrency.max must"],
  [{ concurrency: { min: 1, most: 4 } }, 'concurrency has no option "most"'],
  [{ concurrency: null }, "concurrency must be an object"],
  [{ idle: true }, "idle must be an object"],
  [{ idle: { cpu: 1.5 } }, "idle.cpu must be a share from 0 to 1"],
  [{ idle: { memoryFree: "10%" } }, "idle.memoryFree must be a share"],
  [{ idle: { eventLoopDelay: 0 } }, "idle.eventLoopDelay must"],
  [{ idle: { probe: true } }, "idle.probe must be a function"],
  [{ idle: { load: 1 } }, 'idle has no option "load"'],
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

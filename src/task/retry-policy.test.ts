import fc from "fast-check";
import { expect, test } from "vitest";
import { NO_RETRY, resolveRetry, resolveStoredRetry, retryDelayMs } from "./retry-policy.ts";

const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test("retry: without a word there is one attempt", () => {
  expect(retryDelayMs(NO_RETRY, 1, 0)).toBeUndefined();
});

test("retry: attempts counts the first one", () => {
  const policy = resolveStoredRetry({ attempts: 3, backoff: "immediate" });
  expect([1, 2, 3, 4].map((failures) => retryDelayMs(policy, failures, 0))).toEqual([
    0,
    0,
    undefined,
    undefined,
  ]);
});

test("retry: constant pauses are all the same", () => {
  const policy = resolveStoredRetry({ attempts: 100, backoff: "constant", delay: "2s" });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 99 }), chance, (failures, random) => {
      expect(retryDelayMs(policy, failures, random)).toBe(2_000);
    }),
  );
});

test("retry: exponential pauses double up to the longest, with up to half taken off", () => {
  const policy = resolveStoredRetry({ attempts: 1_000, delay: "1s", max: "1m" });
  expect([1, 2, 3, 6, 7, 999].map((failures) => retryDelayMs(policy, failures, 0))).toEqual([
    1_000, 2_000, 4_000, 32_000, 60_000, 60_000,
  ]);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 999 }), chance, (failures, random) => {
      const full = retryDelayMs(policy, failures, 0) as number;
      const ms = retryDelayMs(policy, failures, random) as number;
      expect(Number.isInteger(ms)).toBe(true);
      expect(ms).toBeGreaterThanOrEqual(full / 2);
      expect(ms).toBeLessThanOrEqual(full);
    }),
  );
});

test("retry: a longest pause below the first one holds from the start", () => {
  const policy = resolveStoredRetry({ attempts: 5, delay: "10s", max: "1s" });
  expect(retryDelayMs(policy, 1, 0)).toBe(1_000);
});

test.each([
  [{ attempts: 0 }, "retry.attempts"],
  [{ attempts: 1_001 }, "retry.attempts"],
  [{ attempts: "3" }, "retry.attempts"],
  [{ backoff: "quadratic" }, "retry.backoff"],
  [{ jitter: "some" }, "retry.jitter"],
  [{ noRetry: [7] }, "retry.noRetry"],
  [{ noRetry: "E" }, "retry.noRetry"],
  [{ retryIf: "always" }, "retry.retryIf"],
  [{ delay: "1 fortnight" }, "retry.delay"],
  [{ delay: -1 }, "retry.delay"],
  [{ max: "31d" }, "retry.max"],
  [{ tries: 3 }, 'retry has no option "tries"'],
  [null, "retry must be an object"],
  ["exponential", "retry must be an object"],
])("retry: %j is refused by name", (given, message) => {
  expect(() => resolveRetry(given as object)).toThrow(
    expect.objectContaining({
      code: "INVALID_OPTIONS",
      message: expect.stringContaining(message) as unknown as string,
    }),
  );
});

test("retry: linear pauses grow by the first one, up to the longest", () => {
  const policy = resolveStoredRetry({ attempts: 9, backoff: "linear", delay: "2s", max: "5s" });
  expect([1, 2, 3, 4].map((failures) => retryDelayMs(policy, failures, 0.9))).toEqual([
    2_000, 4_000, 5_000, 5_000,
  ]);
});

test("retry: jitter takes off nothing, up to half or up to all of a pause", () => {
  const pause = (jitter: "none" | "half" | "full", random: number) => {
    const options = { attempts: 9, backoff: "constant", delay: "10s", jitter } as const;
    return retryDelayMs(resolveStoredRetry(options), 1, random);
  };
  expect([pause("none", 0.5), pause("half", 0.5), pause("full", 0.5)]).toEqual([
    10_000, 7_500, 5_000,
  ]);
});

test("retry: what is stored holds no functions", () => {
  const backoff = () => "1s";
  expect(() => resolveStoredRetry({ backoff } as never)).toThrow(/stored/);
  expect(() => resolveStoredRetry({ retryIf: () => true } as never)).toThrow(/retryIf/);
  expect(() => resolveStoredRetry({ noRetry: [TypeError] } as never)).toThrow(/noRetry/);
  const { record, noRetryClasses } = resolveRetry({ backoff, noRetry: [TypeError, "E_GONE"] });
  expect(record.noRetry).toEqual(["E_GONE"]);
  expect(noRetryClasses).toEqual([TypeError]);
});

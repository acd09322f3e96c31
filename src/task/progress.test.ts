import fc from "fast-check";
import { expect, test } from "vitest";
import { clampPercent, progressPart, requireDetail } from "./progress.ts";

test.each([
  [0, 0],
  [-5, 0],
  [100, 100],
  [100.00001, 100],
  [Number.POSITIVE_INFINITY, 100],
  [Number.NEGATIVE_INFINITY, 0],
  [33.333333, 33.3333],
  [66.66666, 66.6667],
  [0.00004, 0],
  [-0, 0],
])("progress: %d is stored as %d", (given, stored) => {
  expect(clampPercent(given) + 0).toBe(stored);
});

test("progress: what is stored is from 0 to 100 with 4 decimals, and stays when stored again", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true }), (given) => {
      const stored = clampPercent(given);
      expect(stored).toBeGreaterThanOrEqual(0);
      expect(stored).toBeLessThanOrEqual(100);
      expect(Number(stored.toFixed(4))).toBe(stored);
      expect(clampPercent(stored)).toBe(stored);
    }),
  );
});

test.each([Number.NaN, "50", null, undefined, {}, 5n])("progress: %o is no percentage", (given) => {
  expect(() => clampPercent(given)).toThrow(expect.objectContaining({ code: "INVALID_OPTIONS" }));
});

test("progress: a detail is JSON of at most 16 KiB", () => {
  requireDetail(undefined);
  requireDetail({ disk: "x".repeat(16_000) });
  const refused = (code: string) => expect.objectContaining({ code });
  expect(() => requireDetail({ disk: "x".repeat(16_384) })).toThrow(refused("PAYLOAD_TOO_LARGE"));
  expect(() => requireDetail({ size: 1n })).toThrow(refused("NOT_JSON"));
});

test("progress: it is written once, guarded by the fence", () => {
  const part = progressPart({ id: "a", fence: 7 }, { percent: 5, attempt: 1, at: 1 });
  expect(part.guards).toEqual([{ key: "task/a#state", is: "unchanged", modRevision: 7 }]);
  expect(part.writes.map(({ op, key }) => [op, key])).toEqual([["put", "task/a#progress"]]);
  expect(part.witness).toBe("task/a#progress");
});

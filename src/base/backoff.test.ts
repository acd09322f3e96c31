import fc from "fast-check";
import { expect, test } from "vitest";
import { backoffMs } from "./backoff.ts";

const fixed = (value: number) => ({ next: () => value, hex: () => "" });

test("backoff: the ceiling doubles from the first pause up to the most", () => {
  const ceilings = [0, 1, 2, 3, 4, 5, 100].map((attempt) =>
    backoffMs(attempt, 50, 1_000, fixed(1)),
  );
  expect(ceilings).toEqual([50, 100, 200, 400, 800, 1_000, 1_000]);
});

test("backoff: a pause is between half of its ceiling and the ceiling", () => {
  fc.assert(
    fc.property(
      fc.nat(1_000),
      fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      (attempt, chance) => {
        const ceiling = backoffMs(attempt, 50, 1_000, fixed(1));
        const ms = backoffMs(attempt, 50, 1_000, fixed(chance));
        expect(ms).toBeGreaterThanOrEqual(ceiling / 2);
        expect(ms).toBeLessThanOrEqual(ceiling);
      },
    ),
  );
});

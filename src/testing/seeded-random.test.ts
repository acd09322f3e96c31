import assert from "node:assert/strict";
import { describe, test } from "vitest";
import { createSeededRandom } from "./seeded-random.ts";

describe("seeded random", () => {
  test("one seed gives the same numbers, another gives others", () => {
    const take = (seed: number) => {
      const random = createSeededRandom(seed);
      return [random.hex(8), ...Array.from({ length: 5 }, () => random.next())];
    };
    assert.deepEqual(take(7), take(7));
    assert.notDeepEqual(take(7), take(8));
  });

  test("numbers are spread evenly over [0, 1)", () => {
    const random = createSeededRandom(1);
    const tenths = new Array<number>(10).fill(0);
    for (let turn = 0; turn < 10_000; turn++) {
      const number = random.next();
      assert.ok(number >= 0 && number < 1);
      tenths[Math.floor(number * 10)] = (tenths[Math.floor(number * 10)] ?? 0) + 1;
    }
    assert.ok(tenths.every((count) => count > 900 && count < 1_100));
    assert.match(random.hex(16), /^[0-9a-f]{32}$/);
  });
});

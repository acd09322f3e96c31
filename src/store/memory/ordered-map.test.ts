import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import { OrderedMap } from "./ordered-map.ts";

const everything = { start: "", end: "\x7f" };

describe("ordered map", () => {
  test("a range gives what a sorted plain map would give", () => {
    const key = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 5 });
    const step = fc.record({ key, value: fc.option(fc.nat(9), { nil: undefined }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), key, key, (steps, start, end) => {
        const map = new OrderedMap<number>();
        const model = new Map<string, number>();
        for (const { key: at, value } of steps) {
          if (value === undefined) assert.equal(map.delete(at), model.delete(at));
          else map.set(at, value);
          if (value !== undefined) model.set(at, value);
        }
        const sorted = [...model].sort(([one], [other]) => (one < other ? -1 : 1));
        assert.equal(map.size, model.size);
        assert.deepEqual([...map.within(everything)], sorted);
        const inside = sorted.filter(([at]) => at >= start && at < end);
        assert.deepEqual([...map.within({ start, end })], inside);
      }),
    );
  });

  test("a hundred thousand keys stay in order, whatever order they come in", () => {
    const map = new OrderedMap<number>();
    const name = (index: number) => String(index).padStart(6, "0");
    for (let step = 0; step < 100_000; step++) map.set(name((step * 7_919) % 100_000), step);
    let expected = 0;
    for (const [key] of map.within(everything)) assert.equal(key, name(expected++));
    assert.equal(expected, 100_000);
    for (let index = 0; index < 100_000; index += 2) assert.ok(map.delete(name(index)));
    const odd = [...map.within({ start: name(500), end: name(506) })].map(([key]) => key);
    assert.deepEqual(odd, [501, 503, 505].map(name));
    assert.equal(map.size, 50_000);
  });
});

import { expect, test } from "vitest";
import { systemRandom } from "./random.ts";

test("random: numbers lie in [0, 1) and spread over it", () => {
  const numbers = Array.from({ length: 10_000 }, () => systemRandom.next());
  expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
  const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  // Seventeen standard deviations: fails once in more runs than there will be.
  expect(Math.abs(mean - 0.5)).toBeLessThan(0.05);
});

test("random: hex has two characters for each byte and does not repeat", () => {
  const texts = Array.from({ length: 2_000 }, () => systemRandom.hex(16));
  for (const text of texts) expect(text).toMatch(/^[0-9a-f]{32}$/);
  expect(new Set(texts).size).toBe(texts.length);
});

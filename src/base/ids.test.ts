import { expect, test } from "vitest";
import { type Clock, systemClock } from "./clock.ts";
import { createIdSource } from "./ids.ts";
import { systemRandom } from "./random.ts";

function setup() {
  let ms = 1_700_000_000_000;
  const clock: Clock = { ...systemClock, now: () => ms };
  const nextId = createIdSource(clock, systemRandom);
  return { nextId, set: (to: number) => (ms = to), now: () => ms };
}

test("ids: an id is 26 characters of Crockford's base 32", () => {
  const { nextId } = setup();
  expect(nextId()).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
});

test("ids: ids sort in the order they were made, also when the clock goes back", () => {
  const { nextId, set, now } = setup();
  const ids: string[] = [];
  for (const step of [0, 0, 1, 0, -50, 0, 49, 2]) {
    set(now() + step);
    for (let count = 0; count < 100; count += 1) ids.push(nextId());
  }
  expect(ids).toEqual([...ids].sort());
  expect(new Set(ids).size).toBe(ids.length);
});

test("ids: two sources do not make the same ids in the same millisecond", () => {
  const [one, other] = [setup(), setup()];
  const ids = Array.from({ length: 1_000 }, () => [one.nextId(), other.nextId()]).flat();
  expect(new Set(ids).size).toBe(2_000);
});

import { expect, test } from "vitest";
import { Slots } from "./slots.ts";

function setup(capacity: number) {
  let rings = 0;
  const slots = new Slots(capacity, () => {
    rings += 1;
  });
  return { slots, rings: () => rings };
}

test("slots: no more are in use than there are", () => {
  const { slots } = setup(3);
  slots.occupy(2);
  expect([slots.free, slots.used]).toEqual([1, 2]);
  expect(() => slots.occupy(2)).toThrow(RangeError);
  slots.occupy(1);
  expect(slots.free).toBe(0);
});

test("slots: what was not taken after all is free again, and said so", () => {
  const { slots, rings } = setup(3);
  slots.occupy(3);
  slots.release(2);
  expect([slots.free, rings()]).toEqual([2, 1]);
});

test("slots: a handler that has ended makes place while its outcome is recorded", () => {
  const { slots, rings } = setup(2);
  slots.occupy(2);
  slots.handlerEnded();
  expect([slots.free, rings()]).toEqual([1, 1]);
  slots.recorded();
  expect([slots.free, slots.used, rings()]).toEqual([1, 1, 2]);
});

test("slots: outcomes that cannot be recorded stop the taking", () => {
  const { slots } = setup(2);
  for (let round = 0; round < 2; round += 1) {
    slots.occupy(1);
    slots.handlerEnded();
  }
  slots.occupy(2);
  expect(slots.free).toBe(0);
  slots.handlerEnded();
  expect(slots.free).toBe(0);
  slots.recorded();
  expect(slots.free).toBe(1);
});

import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Capacity,
  FULL_MS,
  type HostAllows,
  hostAllows,
  type Load,
  nextCapacity,
  UNUSED_MS,
} from "./next-capacity.ts";

const BOUNDS = { min: 2, max: 16 };
const CALM = { cpuUsed: 0.1, cpuOthers: 0.1, memoryFree: 0.9, eventLoopDelayMs: 1 };
type Moment = Omit<Load, "now">;
const WANTED: Moment = { used: 2, wanted: true, host: "more" };
const UNUSED: Moment = { used: 0, wanted: false, host: "more" };

/** The slots after each moment, a second apart, from `slots` on. */
function after(slots: number, moments: readonly Moment[], bounds = BOUNDS): number[] {
  let capacity: Capacity = { slots, peak: 0, peakSince: 0 };
  return moments.map((moment, second) => {
    capacity = nextCapacity(capacity, { ...moment, now: (second + 1) * 1_000 }, bounds);
    return capacity.slots;
  });
}

function times(count: number, moment: Moment): Moment[] {
  return Array.from({ length: count }, () => moment);
}

test("capacity: it grows by half while slots are wanted, to its upper bound", () => {
  expect(after(2, times(7, WANTED))).toEqual([3, 5, 8, 12, 16, 16, 16]);
});

test("capacity: a host without room lets it stay as it is", () => {
  expect(after(4, times(20, { ...WANTED, host: "same" }))).toEqual(Array(20).fill(4));
});

test("capacity: slots that nobody used for half a minute go, a quarter at a time", () => {
  const slots = after(16, times(150, UNUSED));
  expect([29, 59, 89, 119, 149].map((second) => slots[second])).toEqual([12, 9, 6, 4, 3]);
  expect(slots[28]).toBe(16);
});

test("capacity: what was used in that time stays", () => {
  const often = times(120, UNUSED).map((moment, second) =>
    second % 25 === 0 ? { ...moment, used: 14 } : moment,
  );
  expect(Math.min(...after(16, often))).toBe(14);
});

test("capacity: a host that stays too full takes slots away, down to the lower bound", () => {
  const full: Moment = { used: 16, wanted: true, host: "fewer" };
  const slots = after(16, times(40, full));
  expect(slots.slice(0, 5)).toEqual(Array(5).fill(16));
  expect([5, 10, 15, 20, 25, 30, 39].map((second) => slots[second])).toEqual([
    ...[12, 9, 6, 4, 3, 2],
    2,
  ]);
  const short = times(40, full).map((moment, second): Moment => {
    return second % 4 === 0 ? { ...moment, host: "same" } : moment;
  });
  expect(after(16, short)).toEqual(Array(40).fill(16));
});

test.each([
  [CALM, "more"],
  [{ ...CALM, cpuUsed: 0.9 }, "same"],
  [{ ...CALM, cpuUsed: 0.99 }, "fewer"],
  [{ ...CALM, memoryFree: 0.12 }, "same"],
  [{ ...CALM, memoryFree: 0.05 }, "fewer"],
  [{ ...CALM, eventLoopDelayMs: 100 }, "same"],
  [{ ...CALM, eventLoopDelayMs: 300 }, "fewer"],
] as const)("capacity: %j allows %s", (sample, allowed) => {
  expect(hostAllows(sample)).toBe(allowed);
});

const bounds = fc
  .tuple(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 10_000 }))
  .map(([min, more]) => ({ min, max: min + more }));
const moment = fc.record({
  used: fc.integer({ min: 0, max: 20_000 }),
  wanted: fc.boolean(),
  host: fc.constantFrom<HostAllows>("more", "same", "fewer"),
});

test("property: it stays within its bounds and changes for a reason alone", () => {
  fc.assert(
    fc.property(bounds, fc.array(moment, { maxLength: 120 }), (given, moments) => {
      let before = given.min;
      let fullFor = 0;
      for (const [second, slots] of after(given.min, moments, given).entries()) {
        const { wanted, host } = moments[second] as Moment;
        fullFor = host === "fewer" ? fullFor + 1_000 : 0;
        expect(slots).toBeGreaterThanOrEqual(given.min);
        expect(slots).toBeLessThanOrEqual(given.max);
        if (slots > before) expect([wanted, host]).toEqual([true, "more"]);
        if (slots < before) {
          const unused = (second + 1) * 1_000 >= UNUSED_MS;
          expect(fullFor >= FULL_MS || unused).toBe(true);
        }
        before = slots;
      }
    }),
  );
});

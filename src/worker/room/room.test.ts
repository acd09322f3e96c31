import fc from "fast-check";
import { expect, test } from "vitest";
import { resolveIdleOptions } from "./idle-options.ts";
import {
  type Judgement,
  judge,
  nextRoom,
  type Obstacle,
  obstaclesOf,
  type RoomState,
} from "./room.ts";

const CALM_MS = 5_000;
const AT_REST = { cpuUsed: 0, cpuOthers: 0, memoryFree: 1, eventLoopDelayMs: 0 };
const NOTHING: Judgement = { over: [], high: [] };
const CPU: Judgement = { over: ["cpu"], high: ["cpu"] };
/** Between the two limits. */
const NEARLY: Judgement = { over: [], high: ["cpu"] };

/** The states after each sample, a second apart. */
function after(...judgements: readonly Judgement[]): RoomState[] {
  const states: RoomState[] = [];
  for (const [second, judgement] of judgements.entries()) {
    states.push(nextRoom(states.at(-1), judgement, second * 1_000, CALM_MS));
  }
  return states;
}

function times<T>(count: number, value: T): T[] {
  return Array.from({ length: count }, () => value);
}

test("room: the first sample decides alone", () => {
  expect(after(NOTHING).map(({ idle }) => idle)).toEqual([true]);
  expect(after(NEARLY).map(({ idle }) => idle)).toEqual([true]);
  expect(after(CPU).map(({ idle }) => idle)).toEqual([false]);
});

test("room: it ends with the second sample in a row over a limit, and not with one alone", () => {
  const states = after(NOTHING, CPU, NOTHING, CPU, NEARLY, CPU, CPU);
  expect(states.map(({ idle }) => idle)).toEqual([true, true, true, true, true, true, false]);
});

test("room: it is back when every reading was under its lower limit for a while", () => {
  const states = after(CPU, ...times(5, NOTHING));
  expect(states.map(({ idle }) => idle)).toEqual([false, false, false, false, false, true]);
  const disturbed = after(CPU, NOTHING, NOTHING, NEARLY, ...times(5, NOTHING));
  expect(disturbed.map(({ idle }) => idle)).toEqual([...times(8, false), true]);
});

test("room: what stands against it is what was met in that while", () => {
  const memory: Judgement = { over: ["memory"], high: ["memory"] };
  const states = after(CPU, memory, ...times(4, memory));
  expect(states.map(obstaclesOf)).toEqual([["cpu"], ...times(4, ["cpu", "memory"]), ["memory"]]);
});

test("room: samples are held against two limits", () => {
  const limits = resolveIdleOptions({ cpu: 0.5, memoryFree: 0.08, eventLoopDelay: 50 });
  const judged = (sample: Partial<typeof AT_REST>, probe?: "yes" | "no" | "failed") =>
    judge({ ...AT_REST, ...sample }, limits, probe);
  expect(judged({})).toEqual(NOTHING);
  expect(judged({}, "yes")).toEqual(NOTHING);
  expect(judged({ cpuUsed: 1, cpuOthers: 0.4 })).toEqual(NOTHING);
  expect(judged({ cpuOthers: 0.45 })).toEqual(NEARLY);
  expect(judged({ cpuOthers: 0.51 })).toEqual(CPU);
  expect(judged({ memoryFree: 0.09 })).toEqual({ over: [], high: ["memory"] });
  expect(judged({ memoryFree: 0.07 })).toEqual({ over: ["memory"], high: ["memory"] });
  expect(judged({ eventLoopDelayMs: 45 })).toEqual({ over: [], high: ["event-loop"] });
  expect(judged({ eventLoopDelayMs: 51 }).over).toEqual(["event-loop"]);
  expect(judged({}, "no")).toEqual({ over: ["probe"], high: ["probe"] });
  expect(judged({}, "failed").over).toEqual(["probe-failed"]);
});

test("room: limits at their ends never stand in the way", () => {
  const limits = resolveIdleOptions({ cpu: 1, memoryFree: 0, eventLoopDelay: "1m" });
  const worst = { cpuUsed: 1, cpuOthers: 1, memoryFree: 0, eventLoopDelayMs: 1_000 };
  expect(judge(worst, limits, undefined)).toEqual(NOTHING);
});

const obstacle = fc.constantFrom<Obstacle>("cpu", "memory", "event-loop", "probe");
const judgement = fc
  .record({ over: fc.uniqueArray(obstacle), nearly: fc.uniqueArray(obstacle) })
  .map(({ over, nearly }): Judgement => ({ over, high: [...new Set([...over, ...nearly])] }));

test("property: room ends only after two samples over, and comes back only after calm", () => {
  fc.assert(
    fc.property(fc.array(judgement, { maxLength: 60 }), (judgements) => {
      const states = after(...judgements);
      for (const [index, { idle }] of states.entries()) {
        const before = states[index - 1];
        const lately = judgements.slice(Math.max(0, index - 4), index + 1);
        if (idle && before?.idle === false) {
          expect(lately).toHaveLength(5);
          expect(lately.every(({ high }) => high.length === 0)).toBe(true);
        }
        if (!idle && before?.idle === true) {
          expect(lately.slice(-2).every(({ over }) => over.length > 0)).toBe(true);
        }
        expect(obstaclesOf(states[index] as RoomState).length > 0).toBe(!idle);
      }
    }),
  );
});

test("property: a host that stays over or stays calm is told so, wherever it came from", () => {
  fc.assert(
    fc.property(fc.array(judgement, { maxLength: 30 }), (judgements) => {
      expect(after(...judgements, CPU, CPU).at(-1)?.idle).toBe(false);
      expect(after(...judgements, ...times(6, NOTHING)).at(-1)?.idle).toBe(true);
    }),
  );
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { KeyTurns, type Turns } from "./key-turns.ts";
import { del, keyPresent, type Part } from "./part.ts";

interface Wish {
  readonly reads: readonly string[];
  readonly writes: readonly string[];
}

const part = ({ reads, writes }: Wish): Part => ({
  guards: reads.map(keyPresent),
  writes: writes.map(del),
});

function conflict(one: Wish, other: Wish): boolean {
  const touches = (wish: Wish, key: string) => [...wish.reads, ...wish.writes].includes(key);
  return (
    one.writes.some((key) => touches(other, key)) || other.writes.some((key) => touches(one, key))
  );
}

test("turns: a key that the same parts guard and write is claimed once", () => {
  const keys = new KeyTurns<string>();
  const turns = keys.claim("a", [part({ reads: ["k", "k"], writes: ["k"] })]);
  expect(turns).toMatchObject({ awaited: 0, claims: [{ write: true }] });
  const next = keys.claim("b", [part({ reads: ["k"], writes: ["other"] })]);
  expect(next.awaited).toBe(1);
  const granted: string[] = [];
  keys.release(turns, (owner) => granted.push(owner));
  expect(granted).toEqual(["b"]);
});

test("turns: a reader that comes after a waiting writer waits behind it", () => {
  const keys = new KeyTurns<string>();
  const granted: string[] = [];
  const grant = (owner: string) => granted.push(owner);
  const reader = keys.claim("reader", [part({ reads: ["k"], writes: ["a"] })]);
  const writer = keys.claim("writer", [part({ reads: [], writes: ["k"] })]);
  const late = [
    keys.claim("late 1", [part({ reads: ["k"], writes: ["b"] })]),
    keys.claim("late 2", [part({ reads: ["k"], writes: ["c"] })]),
  ];
  expect([reader, writer, ...late].map((turns) => turns.awaited)).toEqual([0, 1, 1, 1]);
  keys.release(reader, grant);
  expect(granted).toEqual(["writer"]);
  keys.release(writer, grant);
  expect(granted).toEqual(["writer", "late 1", "late 2"]);
});

const names = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"), { maxLength: 3 });
const wish = fc.record({ reads: names, writes: names }).filter(({ writes }) => writes.length > 0);

// The definition, at the price of looking at everybody: an owner has its turn when nobody who came
// before it and is not done yet is in conflict with it.
test("turns: owners get their turn exactly when nobody before them is in conflict", () => {
  const step = fc.oneof(wish, fc.nat(20));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const keys = new KeyTurns<Wish>();
      const present: Turns<Wish>[] = [];
      const granted = new Set<Wish>();
      for (const next of steps) {
        if (typeof next === "number") {
          const ready = present.filter((turns) => granted.has(turns.owner));
          const done = ready[next % Math.max(1, ready.length)];
          if (done === undefined) continue;
          present.splice(present.indexOf(done), 1);
          keys.release(done, (owner) => granted.add(owner));
        } else {
          const turns = keys.claim({ ...next }, [part(next)]);
          present.push(turns);
          if (turns.awaited === 0) granted.add(turns.owner);
        }
        for (const [index, turns] of present.entries()) {
          const free = present.slice(0, index).every(({ owner }) => !conflict(owner, turns.owner));
          expect(granted.has(turns.owner)).toBe(free);
        }
      }
    }),
    { numRuns: 500 },
  );
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkLinearizable, type Model, type Timed } from "../../chaos/linear/checker.ts";
import { judgeStoreOps, staleAnswers } from "../../chaos/linear/store-model.ts";
import type { StoreOp } from "../../chaos/linear/store-op.ts";

/** An operation on one register that holds a number, 0 at first. */
type Op = Timed &
  (
    | { readonly kind: "write"; readonly value: number }
    | { readonly kind: "read"; readonly value: number }
    | {
        readonly kind: "cas";
        readonly from: number;
        readonly value: number;
        readonly done: boolean;
      }
  );

const register: Model<number, Op> = {
  initial: 0,
  step: (state, op) => {
    if (op.kind === "write") return op.value;
    if (op.kind === "read") return op.value === state ? state : undefined;
    if ((op.from === state) !== op.done) return undefined;
    return op.done ? op.value : state;
  },
  keyOf: String,
};

const write = (value: number, start: number, end?: number): Op => ({
  kind: "write",
  value,
  ...timed(start, end),
});
const read = (value: number, start: number, end?: number): Op => ({
  kind: "read",
  value,
  ...timed(start, end),
});
const cas = (from: number, value: number, done: boolean, start: number, end: number): Op => ({
  ...{ kind: "cas", from, value, done, start, end },
});

function timed(start: number, end: number | undefined): Timed {
  return end === undefined ? { start } : { start, end };
}

describe("the checker of linearizability accepts", () => {
  test.each<[string, Op[]]>([
    ["nothing", []],
    ["a read beside a write that sees it", [write(1, 0, 9), read(1, 1, 2)]],
    ["a read beside a write that does not see it", [write(1, 0, 9), read(0, 1, 2)]],
    [
      "reads that see two writes in either order",
      [write(1, 0, 9), write(2, 0, 9), read(2, 10, 11)],
    ],
    [
      "a write of unknown outcome that took effect late",
      [write(1, 0), read(0, 1, 2), read(1, 3, 4)],
    ],
    ["a write of unknown outcome that never did", [write(1, 0), read(0, 1, 2), read(0, 3, 4)]],
    ["one of two exchanges that met", [cas(0, 1, true, 0, 5), cas(0, 2, false, 0, 5)]],
  ])("%s", (_what, ops) => {
    expect(checkLinearizable(register, ops)).toBe("yes");
  });
});

describe("the checker of linearizability refuses", () => {
  test.each<[string, Op[]]>([
    ["a stale read", [write(1, 0, 1), read(0, 2, 3)]],
    ["a read of the future", [read(1, 0, 1), write(1, 2, 3)]],
    ["a value that comes back", [write(1, 0, 9), read(1, 1, 2), read(0, 3, 4)]],
    ["two exchanges of the same value", [cas(0, 1, true, 0, 5), cas(0, 2, true, 0, 5)]],
    ["a lost update", [cas(0, 1, true, 0, 1), cas(0, 2, true, 2, 3), read(2, 4, 5)]],
    ["an unknown write seen, then unseen", [write(1, 0), read(1, 1, 2), read(0, 3, 4)]],
    [
      "reads that see two writes in different orders",
      [write(1, 0, 20), write(2, 0, 20), ...[read(1, 1, 2), read(2, 3, 4), read(1, 5, 6)]],
    ],
  ])("%s", (_what, ops) => {
    expect(checkLinearizable(register, ops)).toBe("no");
  });
});

/** Tries every order. */
function bruteForce(ops: readonly Op[], state = register.initial): boolean {
  if (ops.every(({ end }) => end === undefined)) return true;
  return ops.some((op, index) => {
    const rest = ops.filter((_, other) => other !== index);
    if (rest.some(({ end }) => end !== undefined && end < op.start)) return false;
    const next = register.step(state, op);
    return next !== undefined && bruteForce(rest, next);
  });
}

const anyOp = fc
  .record({
    kind: fc.constantFrom("write" as const, "read" as const, "cas" as const),
    value: fc.nat(2),
    from: fc.nat(2),
    done: fc.boolean(),
    start: fc.nat(8),
    lasts: fc.nat(5),
    known: fc.boolean(),
  })
  .map(({ kind, value, from, done, start, lasts, known }): Op => {
    // The moments of calls and returns differ, as those of a clock do that is fine enough.
    const end = start + lasts + 0.5;
    if (kind === "cas") return { kind, from, value, done, start, end };
    return { kind, value, ...timed(start, known || kind === "read" ? end : undefined) };
  });

test("the checker says what trying every order says", () => {
  fc.assert(
    fc.property(fc.array(anyOp, { maxLength: 6 }), (ops) => {
      expect(checkLinearizable(register, ops)).toBe(bruteForce(ops) ? "yes" : "no");
    }),
    { numRuns: 3_000 },
  );
});

test("the checker gives up after so many steps, and says so", () => {
  const writes = Array.from({ length: 12 }, (_, index) => write(index + 1, 0, 100));
  expect(checkLinearizable(register, [...writes, read(99, 101, 102)], 1_000)).toBe("undecided");
});

describe("operations on a store", () => {
  const at = (start: number, end?: number) => ({
    ...{ client: "c", group: "g" },
    ...timed(start, end),
  });
  const put = (key: string, value: string, start: number, end?: number): StoreOp => ({
    ...at(start, end),
    action: {
      ...{ kind: "commit", expect: [{ key, is: "absent" }], changes: [{ key, value }] },
      ...(end === undefined ? {} : { applied: true }),
    },
  });
  const found = (
    values: Record<string, string | undefined>,
    start: number,
    end: number,
  ): StoreOp => ({
    ...at(start, end),
    action: {
      kind: "read",
      found: Object.entries(values).map(([key, value]) =>
        value === undefined ? { key } : { key, value },
      ),
    },
  });
  const verdictOf = (ops: readonly StoreOp[], happened = true) =>
    judgeStoreOps(ops, () => happened)[0]?.verdict;

  test("that show two keys of one commit apart are refused", () => {
    const both: StoreOp = {
      ...at(0, 9),
      action: {
        ...{ kind: "commit", expect: [], applied: true },
        changes: [
          { key: "a", value: "1" },
          { key: "b", value: "1" },
        ],
      },
    };
    expect(verdictOf([both, found({ a: "1", b: "1" }, 1, 2)])).toBe("yes");
    expect(verdictOf([both, found({ a: "1", b: undefined }, 1, 2)])).toBe("no");
  });

  test("of which two created the same key are refused", () => {
    expect(verdictOf([put("a", "1", 0, 1), put("a", "2", 2, 3)])).toBe("no");
  });

  test("of unknown outcome count only when they happened", () => {
    const ops = [put("a", "1", 0), put("a", "2", 2, 3), found({ a: "1" }, 4, 5)];
    expect(verdictOf(ops)).toBe("no");
    expect(verdictOf([put("a", "1", 0), found({ a: "1" }, 4, 5)])).toBe("yes");
    expect(verdictOf([put("a", "1", 0), found({ a: "1" }, 4, 5)], false)).toBe("no");
  });

  test("that show an older revision than was known are named", () => {
    const first = { ...found({}, 0, 1), revision: 7 };
    expect(staleAnswers([first, { ...found({}, 2, 3), revision: 7 }])).toEqual([]);
    expect(staleAnswers([first, { ...found({}, 2, 3), revision: 6 }])).toEqual([
      "c was shown 6 when 7 was known",
    ]);
    expect(staleAnswers([first, { ...found({}, 0.5, 3), revision: 6 }])).toEqual([]);
  });
});

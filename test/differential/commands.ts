import fc from "fast-check";
import type { KeyRange } from "../../src/store/range.ts";

/** All keys that sequences touch; each sequence begins without them. */
export const KEYS: readonly string[] = ["a", "a/1", "a/2", "b", "c"];

/** Ranges that hold at least one of {@link KEYS}, as every watch must see the last write. */
const RANGES: readonly KeyRange[] = [
  { start: "", end: "\x7f" },
  { start: "a", end: "a\0" },
  { start: "a/", end: "a0" },
  { start: "a/1", end: "b" },
  { start: "b", end: "d" },
];

/** A revision as a sequence names it: so many changes before now, or ahead of now when negative. */
export type Moment = "now" | number;

export interface GuardCommand {
  readonly key: string;
  readonly is: "absent" | "present" | "unchanged" | "created";
  readonly at: Moment;
}

/** A lease is named by its place among those that the sequence asked for. */
export interface WriteCommand {
  readonly key: string;
  readonly value: string | undefined;
  readonly lease: number | undefined;
}

export interface PartCommand {
  readonly guards: readonly GuardCommand[];
  readonly writes: readonly WriteCommand[];
  readonly otherwise: readonly string[];
}

export type Command =
  | { readonly do: "commit"; readonly parts: readonly PartCommand[] }
  | { readonly do: "get"; readonly key: string }
  | {
      readonly do: "range";
      readonly range: KeyRange;
      readonly limit: number | undefined;
      readonly count: boolean;
      readonly at: Moment;
    }
  | { readonly do: "watch"; readonly range: KeyRange; readonly after: Moment }
  | { readonly do: "grant"; readonly short: boolean }
  | { readonly do: "keepAlive" | "revoke" | "expire"; readonly lease: number }
  | { readonly do: "compact"; readonly at: Moment };

const key = fc.constantFrom(...KEYS);
const range = fc.constantFrom(...RANGES);
const lease = fc.nat(3);
const moment = fc.oneof(
  { weight: 2, arbitrary: fc.constant("now" as const) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 8 }) },
);

const guard = fc.record({
  key,
  is: fc.constantFrom("absent", "present", "unchanged", "created"),
  at: moment,
});
const write = fc.record({
  key,
  value: optional(3, fc.constantFrom("1", "2", "")),
  lease: optional(0.3, lease),
});
const part = fc.record({
  guards: fc.array(guard, { maxLength: 2 }),
  writes: fc.array(write, { minLength: 1, maxLength: 3 }),
  otherwise: fc.array(key, { maxLength: 2 }),
});
const commit = fc
  .record({ parts: fc.array(part, { minLength: 1, maxLength: 3 }), raw: fc.nat(9) })
  .map(({ parts, raw }) => ({
    do: "commit" as const,
    // One in ten is left as it is: most of those break a rule.
    parts: raw === 0 ? parts : disjoint(parts),
  }));

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 10, arbitrary: commit },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("get" as const), key }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("range" as const),
      range,
      limit: optional(1, fc.integer({ min: 1, max: 3 })),
      count: fc.boolean(),
      // Seldom ahead: a store may take its time to be sure that it will not get there.
      at: fc.oneof(
        { weight: 99, arbitrary: moment },
        { weight: 1, arbitrary: fc.integer({ min: -2, max: -1 }) },
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("watch" as const), range, after: moment }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("grant" as const), short: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("keepAlive", "revoke", "expire"), lease }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("compact" as const), at: moment }) },
);

/** Something to begin with, so that most of what follows meets keys. */
const beginning: readonly Command[] = [
  { do: "grant", short: true },
  {
    do: "commit",
    parts: ["a", "a/1", "b"].map((each) => ({
      guards: [],
      writes: [{ key: each, value: "0", lease: each === "b" ? 0 : undefined }],
      otherwise: [],
    })),
  },
];

/** What a store is asked for, in order. */
export const sequences: fc.Arbitrary<Command[]> = fc
  .array(command, { minLength: 3, maxLength: 16, size: "max" })
  .map((commands) => [...beginning, ...commands]);

/** The value, `weight` times as often as `undefined`. */
function optional<T>(weight: number, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof(
    { weight: Math.round(weight * 10), arbitrary },
    { weight: 10, arbitrary: fc.constant(undefined) },
  );
}

/** The same parts without what would break a rule of `Store.commit`. */
function disjoint(parts: readonly PartCommand[]): PartCommand[] {
  const writer = new Map<string, PartCommand>();
  const firstWrites = parts.map((each) => ({
    ...each,
    writes: each.writes.filter((one) => {
      if (writer.has(one.key)) return false;
      writer.set(one.key, each);
      return true;
    }),
  }));
  return firstWrites
    .map((each, index) => {
      const free = (at: string) => [undefined, parts[index]].includes(writer.get(at));
      return {
        guards: each.guards.filter((one) => free(one.key)),
        writes: each.writes,
        otherwise: each.otherwise.filter(free),
      };
    })
    .filter(({ writes }) => writes.length > 0);
}

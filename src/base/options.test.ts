import { expect, test } from "vitest";
import { requireInteger, requireKnownKeys, requireOneOf, shown } from "./options.ts";

const invalid = (message: string) => expect.objectContaining({ code: "INVALID_OPTIONS", message });

test("options: a whole number within the bounds comes back", () => {
  expect([1, 5, 10].map((value) => requireInteger("slots", value, 1, 10))).toEqual([1, 5, 10]);
});

test.each([
  [0, "0"],
  [11, "11"],
  [1.5, "1.5"],
  [Number.NaN, "NaN"],
  ["3", '"3"'],
  [undefined, "undefined"],
  [[], "a value of type Array"],
  [Object.create(null), "a value of type object"],
])(
  "options: %j is not a whole number from 1 to 10, and the message says what it is",
  (value, as) => {
    expect(() => requireInteger("slots", value, 1, 10)).toThrow(
      invalid(`slots must be a whole number from 1 to 10; got ${as}.`),
    );
  },
);

test("options: one of a list comes back, anything else is refused with the list", () => {
  expect(requireOneOf("order", "strict", ["fair", "strict"])).toBe("strict");
  expect(() => requireOneOf("order", "none", ["fair", "strict"])).toThrow(
    invalid('order must be one of fair, strict; got "none".'),
  );
});

test("options: an unknown option is refused with the known ones", () => {
  requireKnownKeys("delay()", { in: "5m" }, ["in", "at"]);
  expect(() => requireKnownKeys("delay()", { inn: "5m" }, ["in", "at"])).toThrow(
    invalid('delay() has no option "inn"; known options: in, at.'),
  );
});

test.each([
  [null, "null"],
  ["5m", '"5m"'],
  [[], "a value of type Array"],
])("options: %j is no object of options", (given, as) => {
  expect(() => requireKnownKeys("retry", given as object, ["attempts"])).toThrow(
    invalid(`retry must be an object of options; got ${as}.`),
  );
});

test("options: a value is shown on one line of at most 80 characters", () => {
  expect(shown("a\nb")).toBe('"a\\nb"');
  expect(shown("x".repeat(500))).toHaveLength(80);
});

import { expect, test } from "vitest";
import { type ClaimOptions, checkClaims, claimOf, resolveClaim } from "./claim.ts";
import { claimDeadlineKey, claimKey, parseClaimDeadlineKey, parseClaimKey } from "./claim-keys.ts";
import type { SpecRecord } from "./records.ts";

test("claim: without a word there is none", () => {
  expect(resolveClaim({}, {}, 1)).toBeUndefined();
});

test("claim: an enqueue's goes before the definition's, whatever its kind", () => {
  const definition: ClaimOptions = { unique: "a" };
  expect(resolveClaim(definition, {}, 1)).toEqual({ kind: "unique", key: "a" });
  expect(resolveClaim(definition, { throttle: { key: "b", per: "1m" } }, 1)).toEqual({
    kind: "throttle",
    key: "b",
    perMs: 60_000,
  });
});

test("claim: a definition's key may follow from the input, or be none for some inputs", () => {
  const unique = (disk: string) => (disk === "" ? undefined : `disk/${disk}`);
  expect(resolveClaim({ unique }, {}, "sdb")).toEqual({ kind: "unique", key: "disk/sdb" });
  expect(resolveClaim({ unique }, {}, "")).toBeUndefined();
});

test("claim: a debounce has its defaults, and its longest wait is ten times its wait", () => {
  expect(resolveClaim({}, { debounce: { key: "a", wait: "2s" } }, 1)).toEqual({
    kind: "debounce",
    key: "a",
    waitMs: 2_000,
    maxWaitMs: 20_000,
    payload: "last",
  });
});

const bad: [string, unknown, RegExp][] = [
  ["two claims", { unique: "a", throttle: { key: "a", per: "1s" } }, /either unique or throttle/],
  ["a key with a space", { unique: "a b" }, /^unique must have 1 to 200 .*; got "a b"/],
  ["a key that is too long", { unique: "a".repeat(201) }, /^unique must have 1 to 200/],
  ["a key that is no text", { unique: 7 }, /^unique must have .*; got 7/],
  ["a throttle without a key", { throttle: { per: "1s" } }, /^throttle\.key must have/],
  ["a throttle that is no object", { throttle: "a" }, /^throttle must be an object/],
  ["a throttle of no time", { throttle: { key: "a", per: 0 } }, /throttle\.per/],
  ["an unknown member", { debounce: { key: "a", wait: 100, max: 1 } }, /has no option "max"/],
  ["a wait that is none", { debounce: { key: "a", wait: "soon" } }, /debounce\.wait/],
  ["a longest wait below the wait", { debounce: { key: "a", wait: 100, maxWait: 50 } }, /maxWait/],
  ["another payload", { debounce: { key: "a", wait: 100, payload: "all" } }, /first, last/],
];

test.each(bad)("claim: %s is refused", (_what, given, message) => {
  const options = given as ClaimOptions;
  expect(() => resolveClaim({}, options, 1)).toThrow(message);
  expect(() => checkClaims(options)).toThrow(message);
});

test("claim: a key that the input does not give is refused", () => {
  const unique = (input: { disk: string }) => input.disk;
  expect(() => checkClaims({ unique })).not.toThrow();
  expect(() => resolveClaim({ unique }, {}, { disk: "" })).toThrow(/^unique must have/);
});

test.each(["id", "in", "at", "expiresAt"])("claim: a debounce does not go with %s", (option) => {
  const given = { debounce: { key: "a", wait: "1s" }, [option]: "1s" };
  expect(() => resolveClaim({}, given, 1)).toThrow(`${option} does not go with debounce`);
});

test("claim: its key is taken apart as it was put together, and no other key is one", () => {
  const key = claimKey("debounce", "disk.check", "node-7/sdb@1:x");
  expect(parseClaimKey(key)).toEqual({
    kind: "debounce",
    name: "disk.check",
    key: "node-7/sdb@1:x",
  });
  for (const other of [
    "unique/a",
    "unique//b",
    "other/a/b",
    "unique/a/",
    "unique/a/#",
    "unique/~",
  ]) {
    expect(parseClaimKey(other), other).toBeUndefined();
  }
  const at = 1_900_000_000_123;
  expect(parseClaimDeadlineKey(claimDeadlineKey(at, key))).toEqual({ at, claim: key });
  expect(parseClaimDeadlineKey(claimDeadlineKey(at, "task/a"))).toBeUndefined();
});

test("claim: a spec tells the key of its claim", () => {
  const spec = { name: "t" } as SpecRecord;
  expect(claimOf(spec)).toBeUndefined();
  expect(claimOf({ ...spec, unique: "a" })).toBe("unique/t/a");
  expect(claimOf({ ...spec, throttle: { key: "b", until: 1 } })).toBe("throttle/t/b");
  expect(claimOf({ ...spec, debounce: { key: "c", latestAt: 1 } })).toBe("debounce/t/c");
});

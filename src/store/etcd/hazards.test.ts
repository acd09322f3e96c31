import { expect, test } from "vitest";
import { hazardsOf, refusalOf } from "./hazards.ts";

test.each([
  ["3.4.23", 9],
  ["3.5.16", 6],
  ["3.5.33", 0],
  ["3.6.14", 0],
  ["3.7.0", 1],
  ["3.7.1", 0],
  ["3.8.0-rc.1", 0],
  ["not a version", 0],
])("hazards: etcd %s has %i", (version, count) => {
  expect(hazardsOf(version)).toHaveLength(count);
});

test("hazards: each has an advice, and the end of a release line is one of them", () => {
  for (const { advice } of hazardsOf("3.4.0")) expect(advice).not.toBe("");
  expect(hazardsOf("3.4.45").map(({ hazard }) => hazard)).toContainEqual(
    expect.stringContaining("no longer maintained"),
  );
});

test("hazards: stale reads came with 3.4.20", () => {
  const stale = (version: string) =>
    hazardsOf(version).some(({ hazard }) => hazard.includes("stale"));
  expect([stale("3.4.19"), stale("3.4.20"), stale("3.4.42"), stale("3.5.0")]).toEqual([
    false,
    true,
    false,
    true,
  ]);
});

test("hazards: versions that corrupt data or lack what is needed are refused", () => {
  for (const version of ["3.5.0", "3.5.1", "3.5.2", "3.3.27", "2.3.8"]) {
    expect(refusalOf(version)).toContain(version);
  }
  for (const version of ["3.4.0", "3.4.23", "3.5.3", "3.6.0", "4.0.0", "odd"]) {
    expect(refusalOf(version)).toBeUndefined();
  }
});

import { expect, test } from "vitest";
import { z } from "zod";
import { parseWith } from "./input.ts";

const schema = z.object({ device: z.string(), size: z.number().default(1) });

test("input: without a schema anything passes as it is", async () => {
  const value = { any: "thing" };
  expect(await parseWith(undefined, "input", value)).toBe(value);
});

test("input: comes out as the schema makes it, also of a schema that answers later", async () => {
  expect(await parseWith(schema, "input", { device: "sdb" })).toEqual({ device: "sdb", size: 1 });
  const later = schema.refine(async () => true);
  expect(await parseWith(later, "input", { device: "sdb" })).toEqual({ device: "sdb", size: 1 });
});

test("input: each member that does not fit is named, up to five", async () => {
  await expect(parseWith(schema, "input of disk.format", { size: "1" })).rejects.toThrow(
    /^The input of disk\.format does not fit its schema: device: .*; size: .*\.$/,
  );
  const many = z.record(z.string(), z.number());
  const input = Object.fromEntries(Array.from({ length: 8 }, (_, index) => [`m${index}`, "x"]));
  await expect(parseWith(many, "input", input)).rejects.toThrow(/m4: .*; and 3 more\.$/);
});

import { expect, test } from "vitest";
import { byteSize, shownBytes } from "./byte-size.ts";

test.each([
  [4_096, 4_096],
  ["4096B", 4_096],
  ["64KiB", 65_536],
  [" 1.5 MiB ", 1_572_864],
  ["2GiB", 2_147_483_648],
])("byteSize: %j is %d bytes", (given, bytes) => {
  expect(byteSize("memory", given, 1, 2 ** 40)).toBe(bytes);
});

test.each([["64KB"], ["much"], [""], [0], [Number.NaN], [null], ["3MiB"]])(
  "byteSize: %j is refused, by name",
  (given) => {
    expect(() => byteSize("memory", given as never, 1_024, 2 ** 21)).toThrow(
      /^memory must be from 1 KiB to 2 MiB, .*got /,
    );
  },
);

test.each([
  [0, "0 B"],
  [1_023, "1023 B"],
  [65_536, "64 KiB"],
  [268_435_456, "256 MiB"],
  [1_610_612_736, "1.5 GiB"],
])("shownBytes: %d is %s", (bytes, text) => {
  expect(shownBytes(bytes)).toBe(text);
});

import { expect, test } from "vitest";
import { retryAfterMs } from "./retry-after.ts";

const NOW = Date.UTC(2030, 0, 1, 12);

test.each([
  [undefined, undefined],
  ["0", 0],
  [" 120 ", 120_000],
  ["Tue, 01 Jan 2030 12:00:30 GMT", 30_000],
  ["Tue, 01 Jan 2030 11:00:00 GMT", 0],
  ["99999999999999999999", 86_400_000],
  ["Fri, 01 Jan 2040 00:00:00 GMT", 86_400_000],
  ["-5x", undefined],
  ["soon", undefined],
  ["", undefined],
])("Retry-After: %s means %s ms", (header, ms) => {
  expect(retryAfterMs(header, NOW)).toBe(ms);
});

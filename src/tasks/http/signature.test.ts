import { expect, test } from "vitest";
import { signBody, verifySignature } from "./signature.ts";

const NOW = 1_893_499_200_000;
const clock = { now: () => NOW };

test("signature: its form and value are as documented", () => {
  const header = signBody("key", '{"a":1}', NOW);
  // printf '1893499200.{"a":1}' | openssl dgst -sha256 -hmac key
  expect(header).toBe(
    "t=1893499200,v1=872d6d164be9bf6207275c91a9056a4706992f2da6caf89a0e122acab8f500e3",
  );
});

test("signature: it is good for five minutes either way", () => {
  const header = signBody("key", "body", NOW);
  const check = (now: number) =>
    verifySignature("key", header, "body", { clock: { now: () => now } });
  expect([check(NOW), check(NOW + 300_000), check(NOW - 300_000)]).toEqual([true, true, true]);
  expect([check(NOW + 301_000), check(NOW - 301_000)]).toEqual([false, false]);
});

test.each(
  [
    ["", "t=1893499200", `t=1893499200,v1=${"0".repeat(64)}`, "v1=00", `t=x,v1=${"0".repeat(64)}`],
  ].flat(),
)("signature: %j is refused", (header) => {
  expect(verifySignature("key", header, "body", { clock })).toBe(false);
  expect(verifySignature("key", undefined, "body", { clock })).toBe(false);
});

import { expect, test } from "vitest";
import { failureOf, hintsOf } from "../../task/failure.ts";
import { errorOf, failureMessage } from "./failure-message.ts";

const sent = (thrown: unknown) => errorOf(failureMessage(thrown));

test("failure: what arrives is recorded as what was thrown", () => {
  const cause = Object.assign(new RangeError("sector 7"), { code: "EIO" });
  const thrown = Object.assign(new TypeError("no disk", { cause }), { code: "ENODEV" });
  expect(failureOf(sent(thrown))).toEqual(failureOf(thrown));
});

test.each([
  [{}, {}],
  [{ final: true }, { final: true }],
  [{ retryAfterMs: 0.5 }, { retryAfterMs: 1 }],
  [{ retryAfterMs: 1e300 }, { retryAfterMs: 30 * 86_400_000 }],
  [{ final: "yes", retryAfterMs: -1 }, {}],
])("failure: the hints %o arrive as %o", (given, hints) => {
  expect(hintsOf(sent(Object.assign(new Error("x"), given)))).toEqual(hints);
});

test("failure: whatever is thrown can be sent", () => {
  const hostile = new Proxy(new Error("x"), {
    get: () => {
      throw new Error("never");
    },
  });
  expect(sent("text").message).toBe("text");
  expect(sent(undefined).message).toBe("undefined");
  expect(sent(hostile)).toBeInstanceOf(Error);
});

import { expect, test } from "vitest";
import { ERROR_CODES, EtaskError, InvalidOptionsError, isEtaskError } from "./errors.ts";

test("errors: an error carries its code, the name of its class, and its cause", () => {
  const cause = new Error("below");
  const error = new InvalidOptionsError("text", { cause });
  expect(error).toBeInstanceOf(EtaskError);
  expect(error).toMatchObject({ code: "INVALID_OPTIONS", name: "InvalidOptionsError", cause });
  expect(String(error)).toBe("InvalidOptionsError: text");
});

test("errors: an error of another copy of the package is known by its code", () => {
  const foreign = Object.assign(new Error("from elsewhere"), { code: "STORE_FULL" });
  expect(isEtaskError(foreign)).toBe(true);
  expect(isEtaskError(Object.assign(new Error("no such file"), { code: "ENOENT" }))).toBe(false);
  expect(isEtaskError({ code: "STORE_FULL" })).toBe(false);
  expect(isEtaskError(undefined)).toBe(false);
});

test("errors: every code is listed once", () => {
  expect(new Set(ERROR_CODES).size).toBe(ERROR_CODES.length);
});

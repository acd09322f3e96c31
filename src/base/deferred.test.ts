import { expect, test } from "vitest";
import { createDeferred } from "./deferred.ts";

test("deferred: resolves from outside, and only once", async () => {
  const deferred = createDeferred<number>();
  deferred.resolve(1);
  deferred.resolve(2);
  deferred.reject(new Error("late"));
  expect(await deferred.promise).toBe(1);
});

test("deferred: rejects from outside", async () => {
  const deferred = createDeferred<number>();
  const reason = new Error("no");
  deferred.reject(reason);
  await expect(deferred.promise).rejects.toBe(reason);
});

import { expect, test } from "vitest";
import { createDeferred } from "./deferred.ts";
import { Turnstile } from "./turnstile.ts";

test("turnstile: no more than so many are under way, and the order is that of arrival", async () => {
  const turnstile = new Turnstile(3);
  const acts = Array.from({ length: 10 }, () => createDeferred<void>());
  const begun: number[] = [];
  const passing = acts.map(({ promise }, index) =>
    turnstile.pass(async () => {
      begun.push(index);
      await promise;
      return index;
    }),
  );
  expect(begun).toEqual([0, 1, 2]);
  for (const [index, act] of acts.entries()) {
    act.resolve();
    expect(await passing[index]).toBe(index);
    expect(begun.length).toBeLessThanOrEqual(index + 4);
  }
  expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("turnstile: an act that fails gives its place up", async () => {
  const turnstile = new Turnstile(1);
  const fails = async () => {
    throw new Error("no");
  };
  for (let count = 0; count < 3; count += 1) {
    await expect(turnstile.pass(fails)).rejects.toThrow("no");
  }
  expect(await turnstile.pass(async () => "yes")).toBe("yes");
});

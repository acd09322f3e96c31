import { expect, test } from "vitest";
import { systemClock } from "./clock.ts";
import { createDeferred } from "./deferred.ts";

test("clock: now is wall time and monotonic never goes back", () => {
  expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1_000);
  const readings = Array.from({ length: 1_000 }, () => systemClock.monotonic());
  expect(readings).toEqual([...readings].sort((one, other) => one - other));
});

test("clock: sleep lasts at least as long as asked", async () => {
  const startMs = systemClock.monotonic();
  await systemClock.sleep(20);
  // Timers count whole milliseconds, so a sleep may look up to one shorter.
  expect(systemClock.monotonic() - startMs).toBeGreaterThanOrEqual(19);
});

test("clock: sleep rejects with the signal's own reason", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const sleeping = systemClock.sleep(60_000, controller.signal);
  controller.abort(reason);
  await expect(sleeping).rejects.toBe(reason);
  await expect(systemClock.sleep(60_000, controller.signal)).rejects.toBe(reason);
});

test("clock: after calls once, unless it is cancelled first", async () => {
  const calls: string[] = [];
  const cancel = systemClock.after(1, () => calls.push("cancelled"));
  cancel();
  const { promise, resolve } = createDeferred<void>();
  const cancelLate = systemClock.after(5, () => {
    calls.push("fired");
    resolve();
  });
  // An armed timer does not keep the process alive, a sleep does.
  await Promise.all([promise, systemClock.sleep(10)]);
  cancelLate();
  cancelLate();
  expect(calls).toEqual(["fired"]);
});

test("clock: the next turn comes after everything that is ready now", async () => {
  const order: string[] = [];
  const turned = createDeferred<void>();
  systemClock.nextTurn(() => {
    order.push("turn");
    turned.resolve();
  });
  queueMicrotask(() => order.push("microtask"));
  order.push("now");
  await turned.promise;
  expect(order).toEqual(["now", "microtask", "turn"]);
});

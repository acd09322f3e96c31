import { expect, test } from "vitest";
import { systemClock } from "./clock.ts";
import { Wakeup } from "./wakeup.ts";

const never = new AbortController().signal;

/** Whether `promise` is settled once everything that is ready has run. */
async function settled(promise: Promise<void>): Promise<boolean> {
  let done = false;
  void promise.then(() => {
    done = true;
  });
  await new Promise<void>((resolve) => systemClock.nextTurn(resolve));
  return done;
}

test("wakeup: a ring wakes who waits", async () => {
  const wakeup = new Wakeup();
  const waiting = wakeup.wait(never);
  expect(await settled(waiting)).toBe(false);
  wakeup.ring();
  expect(await settled(waiting)).toBe(true);
});

test("wakeup: rings while nobody waits wake the next wait, once", async () => {
  const wakeup = new Wakeup();
  wakeup.ring();
  wakeup.ring();
  expect(await settled(wakeup.wait(never))).toBe(true);
  expect(await settled(wakeup.wait(never))).toBe(false);
});

test("wakeup: an abort ends the wait, and a ring after it is remembered", async () => {
  const wakeup = new Wakeup();
  const controller = new AbortController();
  const waiting = wakeup.wait(controller.signal);
  controller.abort();
  expect(await settled(waiting)).toBe(true);
  expect(await settled(wakeup.wait(controller.signal))).toBe(true);
  wakeup.ring();
  expect(await settled(wakeup.wait(never))).toBe(true);
});

import { expect, test } from "vitest";
import { createVirtualClock } from "../testing/virtual-clock.ts";
import { untilOver, within } from "./within.ts";

const never = () => new Promise<never>(() => {});

test("within: resolves to what the act comes to, or rejects with it", async () => {
  const clock = createVirtualClock();
  expect(await within(Promise.resolve("done"), { ms: 100, clock })).toBe("done");
  await expect(within(Promise.reject(new Error("no")), { ms: 100, clock })).rejects.toThrow("no");
  await clock.settle();
  expect(clock.untilNextTimer()).toBeUndefined();
});

test("within: ends when the time is over or a signal aborts, also one that has", async () => {
  const clock = createVirtualClock();
  const late = within(never(), { ms: 100, clock });
  await clock.advance(100);
  expect(await late).toBeUndefined();
  const stop = new AbortController();
  const stopped = untilOver({ signals: [stop.signal] });
  stop.abort();
  await stopped;
  expect(await within(never(), { signals: [stop.signal] })).toBeUndefined();
});

import assert from "node:assert/strict";
import { describe, test } from "vitest";
import { createVirtualClock } from "./virtual-clock.ts";

describe("virtual clock", () => {
  test("it stands still until it is moved", async () => {
    const clock = createVirtualClock(1_000);
    let fired = false;
    clock.after(10, () => {
      fired = true;
    });
    await clock.settle();
    assert.deepEqual([clock.now(), clock.monotonic(), fired], [1_000, 0, false]);
    await clock.advance(9);
    assert.deepEqual([clock.now(), clock.monotonic(), fired], [1_009, 9, false]);
    await clock.advance(1);
    assert.deepEqual([clock.now(), clock.monotonic(), fired], [1_010, 10, true]);
  });

  test("timers fire in the order of their times, then of their arming", async () => {
    const clock = createVirtualClock(0);
    const fired: string[] = [];
    const arm = (name: string, ms: number) =>
      clock.after(ms, () => fired.push(`${name} at ${clock.now()}`));
    arm("late", 20);
    arm("first", 10);
    arm("second", 10);
    arm("now", 0);
    await clock.advance(30);
    assert.deepEqual(fired, ["now at 0", "first at 10", "second at 10", "late at 20"]);
  });

  test("what a timer sets going comes to rest before the next one fires", async () => {
    const clock = createVirtualClock(0);
    const seen: string[] = [];
    const loop = async () => {
      for (let turn = 0; turn < 3; turn++) {
        await clock.sleep(10);
        await new Promise<void>((resolve) => clock.nextTurn(resolve));
        seen.push(`loop ${clock.now()}`);
      }
    };
    const done = loop();
    clock.after(25, () => seen.push(`timer ${clock.now()}`));
    await clock.advance(30);
    assert.deepEqual(seen, ["loop 10", "loop 20", "timer 25", "loop 30"]);
    await done;
  });

  test("a sleep rejects with the signal's reason, and its timer is gone", async () => {
    const clock = createVirtualClock();
    const stop = new AbortController();
    const asleep = clock.sleep(1_000, stop.signal);
    stop.abort(new Error("enough"));
    await assert.rejects(asleep, /enough/);
    await assert.rejects(clock.sleep(1, stop.signal), /enough/);
    assert.equal(clock.untilNextTimer(), undefined);
  });

  test("a cancelled timer does not fire, and cancelling again is no error", async () => {
    const clock = createVirtualClock();
    let fired = false;
    const cancel = clock.after(10, () => {
      fired = true;
    });
    assert.equal(clock.untilNextTimer(), 10);
    cancel();
    cancel();
    await clock.advance(20);
    assert.equal(fired, false);
  });

  test("two cannot move it at once", async () => {
    const clock = createVirtualClock();
    const first = clock.advance(10);
    await assert.rejects(clock.advance(10), /already/);
    await first;
    assert.equal(clock.monotonic(), 10);
  });

  test("wall time is told in whole milliseconds, however fine the timers are", async () => {
    const clock = createVirtualClock(1_000);
    await clock.advance(0.7);
    assert.deepEqual([clock.now(), clock.monotonic()], [1_000, 0.7]);
    await clock.advance(0.7);
    assert.equal(clock.now(), 1_001);
  });
});

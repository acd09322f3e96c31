import { expect, test } from "vitest";
import { StoreDeniedError, StoreUnavailableError } from "../store/store-errors.ts";
import { createSeededRandom } from "../testing/seeded-random.ts";
import { createVirtualClock } from "../testing/virtual-clock.ts";
import { untilAnswered } from "./until-answered.ts";

const gone = new StoreUnavailableError("gone", "no");

/** An act that fails so often, and the times at which it was tried. */
function setup(failures: number, error: Error = gone) {
  const clock = createVirtualClock();
  const world = { clock, random: createSeededRandom(1) };
  const tries: number[] = [];
  const act = async () => {
    tries.push(clock.monotonic());
    if (tries.length <= failures) throw error;
    return "answer";
  };
  return { clock, world, act, tries };
}

test("until answered: what passes is tried again, after pauses of up to two seconds", async () => {
  const { clock, world, act, tries } = setup(20);
  const answer = untilAnswered(act, world, new AbortController().signal);
  await clock.advance(60_000);
  expect(await answer).toBe("answer");
  const pauses = tries.slice(1).map((at, index) => at - (tries[index] ?? 0));
  expect(pauses[0]).toBeLessThanOrEqual(100);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(2_000);
  expect(Math.min(...pauses.slice(8))).toBeGreaterThanOrEqual(1_000);
});

test("until answered: what does not pass is thrown at once", async () => {
  const denied = new StoreDeniedError("no");
  const { world, act, tries } = setup(1, denied);
  await expect(untilAnswered(act, world, new AbortController().signal)).rejects.toBe(denied);
  expect(tries).toHaveLength(1);
});

test("until answered: the signal ends it after one more try, also if it has aborted before", async () => {
  const { world, act, tries } = setup(99);
  await expect(untilAnswered(act, world, AbortSignal.abort())).rejects.toBe(gone);
  expect(tries).toHaveLength(1);
  const ending = new AbortController();
  const answer = untilAnswered(act, world, ending.signal);
  await Promise.resolve();
  ending.abort();
  await expect(answer).rejects.toBe(gone);
  expect(tries).toHaveLength(3);
});

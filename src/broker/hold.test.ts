import { expect, test } from "vitest";
import { put } from "../store/part.ts";
import type { PartResult, Store } from "../store/store.ts";
import {
  InvalidCommitError,
  StoreBusyError,
  StoreClosedError,
  StoreDeniedError,
  type StoreError,
  StoreFullError,
  StoreUnavailableError,
} from "../store/store-errors.ts";
import { createSeededRandom } from "../testing/seeded-random.ts";
import { createVirtualClock } from "../testing/virtual-clock.ts";
import { commitHeld, commitUntilKnown } from "./hold.ts";

const PART = { guards: [], writes: [put("a", new Uint8Array())] };
const APPLIED: PartResult = { applied: true, revision: 7, reads: [] };

/** A store that fails with each of these errors, then answers. */
function setup(errors: readonly StoreError[], answer = APPLIED) {
  const clock = createVirtualClock();
  const world = { clock, random: createSeededRandom(1) };
  const left = [...errors];
  const sent: unknown[] = [];
  const store = {
    commit: async (parts: readonly unknown[]) => {
      sent.push(parts[0]);
      const error = left.shift();
      if (error) throw error;
      return [answer];
    },
  } as unknown as Store;
  return { clock, world, store, sent };
}

test.each([
  new StoreUnavailableError("gone", "unknown"),
  new StoreFullError("full", "no"),
  new StoreBusyError("busy"),
  new StoreDeniedError("denied"),
])("hold: after $code the same part is sent again until there is an answer", async (error) => {
  const { clock, world, store, sent } = setup(new Array(20).fill(error));
  const held = commitHeld(store, PART, world, new AbortController().signal);
  await clock.advance(60_000);
  expect(await held).toBe(7);
  expect(sent).toHaveLength(21);
  expect(new Set(sent)).toEqual(new Set([PART]));
});

test.each([new InvalidCommitError("bug"), new StoreClosedError()])(
  "hold: $code is final",
  async (error) => {
    const { world, store, sent } = setup([error]);
    const { signal } = new AbortController();
    await expect(commitUntilKnown(store, [PART], world, signal)).rejects.toBe(error);
    expect(sent).toHaveLength(1);
  },
);

test("hold: a refusal is an answer", async () => {
  const { world, store } = setup([], { applied: false, revision: 9, reads: [] });
  const { signal } = new AbortController();
  expect(await commitHeld(store, PART, world, signal)).toBeUndefined();
});

test("hold: the signal ends the tries, after a last one", async () => {
  const gone = new StoreUnavailableError("gone", "unknown");
  const { clock, world, store, sent } = setup([gone, gone, gone]);
  const ending = new AbortController();
  const held = commitHeld(store, PART, world, ending.signal);
  await clock.settle();
  ending.abort();
  await expect(held).rejects.toBe(gone);
  expect(sent).toHaveLength(2);
});

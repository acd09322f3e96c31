import fc from "fast-check";
import { expect, test } from "vitest";
import { createMemoryStorage } from "../store/memory/index.ts";
import { del, put } from "../store/part.ts";
import { prefixRange } from "../store/range.ts";
import type { Store } from "../store/store.ts";
import { StoreUnavailableError } from "../store/store-errors.ts";
import { createVirtualClock } from "../testing/virtual-clock.ts";
import { type FollowerSink, follow, listAll } from "./follower.ts";

const RANGE = prefixRange("a/");
const NOTHING = new Uint8Array();

/** A sink that holds what it was told. */
function createView(): FollowerSink & { readonly keys: Set<string>; resets: number } {
  const keys = new Set<string>();
  const view = {
    keys,
    resets: 0,
    reset: (entries: Parameters<FollowerSink["reset"]>[0]) => {
      view.resets += 1;
      keys.clear();
      for (const { key } of entries) keys.add(key);
    },
    apply: ({ events }: Parameters<FollowerSink["apply"]>[0]) => {
      for (const event of events) {
        if (event.type === "put") keys.add(event.key);
        else keys.delete(event.key);
      }
    },
  };
  return view;
}

function setup() {
  const clock = createVirtualClock();
  const storage = createMemoryStorage({ clock });
  const write = (key: string, exists: boolean) =>
    storage.commit([{ guards: [], writes: [exists ? put(key, NOTHING) : del(key)] }]);
  const held = () => new Set(storage.range(RANGE, {}).entries.map(({ key }) => key));
  return { clock, storage, store: storage.open(), write, held };
}

const step = fc.record({
  key: fc.constantFrom("a/1", "a/2", "a/3", "b/1"),
  exists: fc.boolean(),
  next: fc.constantFrom("go on", "turn", "compact"),
});

test("follower: its view is the range, whatever changes and whenever history is lost", () =>
  fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const { clock, storage, store, write, held } = setup();
      const view = createView();
      const ending = new AbortController();
      const following = follow(store, RANGE, view, ending.signal);
      for (const { key, exists, next } of steps) {
        write(key, exists);
        if (next === "turn") await Promise.resolve();
        if (next === "compact") storage.compact(storage.revision);
      }
      await clock.settle();
      expect(view.keys).toEqual(held());
      ending.abort();
      await following;
    }),
  ));

test("follower: a range of several pages is listed as of one revision", async () => {
  const { store, write } = setup();
  for (let n = 0; n < 2_500; n += 1) write(`a/${n}`, true);
  const reading = listAll(store, RANGE);
  write("a/late", true);
  const { entries, revision } = await reading;
  expect(entries.length).toBe(2_500);
  expect(revision).toBe(2_501);
});

test("follower: an outage is its caller's to survive; the next call begins from a list", async () => {
  const { store, write, held } = setup();
  write("a/1", true);
  const gone = new StoreUnavailableError("gone", "no");
  const broken: Store = {
    ...store,
    range: (...given) => store.range(...given),
    // biome-ignore lint/correctness/useYield: a watch that fails at once
    watch: async function* () {
      throw gone;
    },
  };
  const view = createView();
  const { signal } = new AbortController();
  await expect(follow(broken, RANGE, view, signal)).rejects.toBe(gone);
  write("a/1", false);
  write("a/2", true);
  const ending = new AbortController();
  const following = follow(store, RANGE, view, ending.signal);
  await createVirtualClock().settle();
  expect(view.keys).toEqual(held());
  ending.abort();
  await following;
});

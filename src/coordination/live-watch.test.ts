import { channel } from "node:diagnostics_channel";
import { expect, onTestFinished, test } from "vitest";
import { createMemoryStorage } from "../store/memory/index.ts";
import { put } from "../store/part.ts";
import { type KeyRange, prefixRange } from "../store/range.ts";
import type { Store, WatchBatch, WatchOptions } from "../store/store.ts";
import { StoreUnavailableError } from "../store/store-errors.ts";
import { heartbeatKey } from "../task/keyspace.ts";
import { createVirtualClock } from "../testing/virtual-clock.ts";
import { heartbeatOf, SILENCE_MS, watchLive } from "./live-watch.ts";

const RANGE = prefixRange("worker/");
const HEARTBEAT = heartbeatOf(RANGE);
const NOTHING = new Uint8Array();

/** A store whose watches can go silent without a word, as those of a server with a bug. */
function setup() {
  const clock = createVirtualClock();
  const storage = createMemoryStorage({ clock });
  const memory = storage.open();
  let silent = 0;
  let opened = 0;
  async function* watch(range: KeyRange, options: WatchOptions): AsyncIterable<WatchBatch> {
    opened += 1;
    const number = opened;
    for await (const batch of memory.watch(range, options)) if (number > silent) yield batch;
  }
  const ending = new AbortController();
  const keys: string[] = [];
  const reasons: string[] = [];
  const listen = (event: unknown) => reasons.push((event as { reason: string }).reason);
  channel("etask:watch:relisted").subscribe(listen);
  onTestFinished(() => void channel("etask:watch:relisted").unsubscribe(listen));
  const store: Store = Object.assign(Object.create(memory) as Store, {
    watch,
    get: (key: string) => memory.get(key),
  });
  return {
    ...{ clock, storage, store, keys, reasons },
    write: (key: string) => storage.commit([{ guards: [], writes: [put(key, NOTHING)] }]),
    /** Every watch that is open now says nothing more. */
    silence: () => {
      silent = opened;
    },
    opened: () => opened,
    follow: async () => {
      const options = { after: storage.revision, signal: ending.signal, clock };
      for await (const { events } of watchLive(store, RANGE, options)) {
        keys.push(...events.map(({ key }) => key));
      }
    },
    end: async (running: Promise<void>) => {
      ending.abort();
      await running;
      expect(clock.untilNextTimer()).toBeUndefined();
    },
  };
}

test("live watch: one that has gone silent is replaced within 3 heartbeats, without a gap", async () => {
  const { clock, write, silence, follow, keys, reasons, end } = setup();
  const following = follow();
  write("worker/a");
  write(HEARTBEAT);
  await clock.advance(10_000);
  silence();
  write("worker/b");
  write("worker/c");
  for (let beats = 0; beats < 3; beats += 1) {
    await clock.advance(6_000);
    write(HEARTBEAT);
  }
  expect(keys).toEqual(["worker/a"]);
  await clock.advance(4_000);
  write("worker/d");
  await clock.advance(1);
  expect(keys).toEqual(["worker/a", "worker/b", "worker/c", "worker/d"]);
  expect(reasons).toEqual(["The watch had gone silent."]);
  await end(following);
});

test("live watch: while nobody leads, silence means nothing", async () => {
  const { clock, write, follow, opened, reasons, end } = setup();
  const following = follow();
  write(HEARTBEAT);
  await clock.advance(10 * SILENCE_MS);
  expect(opened()).toBe(1);
  expect(reasons).toEqual([]);
  await end(following);
});

test("live watch: heartbeats keep it open and are not shown", async () => {
  const { clock, write, follow, keys, opened, end } = setup();
  const following = follow();
  for (let beats = 0; beats < 20; beats += 1) {
    write(HEARTBEAT);
    await clock.advance(10_000);
  }
  expect(keys).toEqual([]);
  expect(opened()).toBe(1);
  await end(following);
});

test("live watch: a store that is away is asked again after the same time", async () => {
  const { clock, store, write, silence, follow, keys, end } = setup();
  const { get } = store;
  store.get = () => Promise.reject(new StoreUnavailableError("away", "no"));
  const following = follow();
  silence();
  write("worker/a");
  write(HEARTBEAT);
  await clock.advance(SILENCE_MS);
  expect(keys).toEqual([]);
  store.get = get;
  await clock.advance(SILENCE_MS);
  expect(keys).toEqual(["worker/a"]);
  await end(following);
});

test("live watch: the heartbeat that is looked for is the one that is written", () => {
  for (const prefix of ["task/", "worker/", "queue/", "schedule/"]) {
    expect(heartbeatOf(prefixRange(prefix))).toBe(heartbeatKey(prefix));
  }
});

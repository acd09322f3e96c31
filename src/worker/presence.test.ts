import { expect, test } from "vitest";
import { openSession } from "../coordination/session.ts";
import { createMemoryStorage } from "../store/memory/index.ts";
import type { LeaseId, Store } from "../store/store.ts";
import { StoreUnavailableError } from "../store/store-errors.ts";
import { decodeWorker } from "../task/decode.ts";
import { workerKey } from "../task/keyspace.ts";
import { encodeRecord, type WorkerRecord } from "../task/records.ts";
import { createSeededRandom } from "../testing/seeded-random.ts";
import { createVirtualClock } from "../testing/virtual-clock.ts";
import { Presence } from "./presence.ts";

const KEY = workerKey("w1");
const RECORD: WorkerRecord = {
  ...{ host: "h", pid: 1, queues: ["q"], kinds: ["k"], concurrency: 1, startedAt: 0, version: "1" },
};

async function setup() {
  const clock = createVirtualClock();
  const world = { clock, random: createSeededRandom(1) };
  const inner = createMemoryStorage({ clock }).open();
  let away = false;
  let commits = 0;
  const store: Store = Object.assign(Object.create(inner) as Store, {
    commit: (...given: Parameters<Store["commit"]>) => {
      commits += 1;
      if (!away) return inner.commit(...given);
      return Promise.reject(new StoreUnavailableError("It is away.", "no"));
    },
    grant: (ttlMs: number) => inner.grant(ttlMs),
    keepAlive: (lease: LeaseId) => inner.keepAlive(lease),
    revoke: (lease: LeaseId) => inner.revoke(lease),
  });
  const value = encodeRecord(RECORD);
  const session = await openSession(store, world, { key: KEY, value, ttlMs: 10_000, here: true });
  // What the session itself writes does not count.
  commits = 0;
  return {
    clock,
    session,
    presence: new Presence(world, session, RECORD),
    commits: () => commits,
    leave: (gone: boolean) => {
      away = gone;
    },
    shown: async () => {
      const entry = await inner.get(KEY);
      return entry && decodeWorker(entry.value).concurrency;
    },
  };
}

test("presence: a change is written at once, more of them together after a pause", async () => {
  const { clock, session, presence, commits, shown } = await setup();
  presence.change({ concurrency: 2 });
  await clock.settle();
  expect(await shown()).toBe(2);
  for (const concurrency of [3, 4, 5]) presence.change({ concurrency });
  await clock.advance(2_900);
  expect([await shown(), commits()]).toEqual([2, 1]);
  await clock.advance(200);
  expect([await shown(), commits()]).toEqual([5, 2]);
  await clock.advance(60_000);
  expect(commits()).toBe(2);
  await session.close();
});

test("presence: the key stays on its lease and keeps the revision of its registration", async () => {
  const { clock, session, presence, shown } = await setup();
  presence.change({ concurrency: 2 });
  await clock.advance(30_000);
  expect(await shown()).toBe(2);
  expect(session.lost.aborted).toBe(false);
  await session.close();
  expect(await shown()).toBeUndefined();
});

test("presence: what the store did not take is written later", async () => {
  const { clock, session, presence, shown, leave } = await setup();
  leave(true);
  presence.change({ concurrency: 2 });
  await clock.advance(10_000);
  expect(await shown()).toBe(1);
  leave(false);
  await clock.advance(3_000);
  expect(await shown()).toBe(2);
  await session.close();
});

test("presence: nothing brings a worker back that is gone", async () => {
  const { clock, session, presence, shown } = await setup();
  await session.close();
  presence.change({ concurrency: 2 });
  await clock.advance(10_000);
  expect(await shown()).toBeUndefined();
});

test("presence: after its end nothing is written", async () => {
  const { clock, session, presence, shown, commits } = await setup();
  presence.change({ concurrency: 2 });
  presence.change({ concurrency: 3 });
  presence.end();
  presence.change({ concurrency: 4 });
  await clock.advance(60_000);
  expect([await shown(), commits()]).toEqual([2, 1]);
  await session.close();
});

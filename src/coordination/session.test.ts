import { expect, test } from "vitest";
import { createMemoryStorage } from "../store/memory/index.ts";
import { put } from "../store/part.ts";
import type { Store } from "../store/store.ts";
import { StoreUnavailableError } from "../store/store-errors.ts";
import { createSeededRandom } from "../testing/seeded-random.ts";
import { createVirtualClock } from "../testing/virtual-clock.ts";
import { openSession } from "./session.ts";

const TTL_MS = 10_000;

function setup() {
  const clock = createVirtualClock();
  const storage = createMemoryStorage({ clock });
  const inner = storage.open();
  let away = false;
  let renewals = 0;
  const reach = () => {
    if (away) throw new StoreUnavailableError("away", "no");
  };
  const storeOf = (url?: string) => ({
    url,
    commit: async (parts: Parameters<Store["commit"]>[0]) => {
      reach();
      return inner.commit(parts);
    },
    grant: async (ttlMs: number) => {
      reach();
      return inner.grant(ttlMs);
    },
    keepAlive: async (lease: string) => {
      renewals += 1;
      reach();
      return inner.keepAlive(lease);
    },
    revoke: async (lease: string) => {
      reach();
      return inner.revoke(lease);
    },
  });
  const world = { clock, random: createSeededRandom(1) };
  const open = ({ url, here = false }: { url?: string; here?: boolean } = {}) => {
    const options = { key: "worker/w", value: Buffer.from("w"), ttlMs: TTL_MS, here };
    return openSession(storeOf(url) as Store, world, options);
  };
  return {
    clock,
    storage,
    open,
    key: () => storage.get("worker/w"),
    renewals: () => renewals,
    setAway: (value: boolean) => {
      away = value;
    },
  };
}

test("session: its key exists for as long as it is renewed", async () => {
  const { clock, open, key, renewals } = setup();
  const session = await open();
  expect(session.createRevision).toBe(key()?.createRevision);
  await clock.advance(TTL_MS * 20);
  expect(session.lost.aborted).toBe(false);
  expect(key()?.lease).toBe(session.lease.id);
  expect(renewals()).toBeLessThan(3 * 20 + 5);
  await session.close();
});

test("session: what is guarded by it is written while it lives and never after", async () => {
  const { storage, open } = setup();
  const session = await open();
  const guarded = { guards: [session.alive()], writes: [put("a", new Uint8Array())] };
  expect(storage.commit([guarded])[0]?.applied).toBe(true);
  await session.close();
  expect(storage.commit([guarded])[0]?.applied).toBe(false);
  await open();
  expect(storage.commit([guarded])[0]?.applied).toBe(false);
});

test("session: closing it deletes the key at once, ends all timers, and may be repeated", async () => {
  const { clock, open, key } = setup();
  const session = await open();
  await Promise.all([session.close(), session.close()]);
  expect(key()).toBeUndefined();
  expect(session.lost.aborted).toBe(false);
  await clock.advance(TTL_MS * 2);
  expect(clock.untilNextTimer()).toBeUndefined();
});

test("session: a lease that is gone is noticed, at the latest with the next renewal", async () => {
  const { clock, storage, open } = setup();
  const session = await open();
  await clock.advance(100);
  storage.revoke(session.lease.id);
  await clock.advance(TTL_MS / 2);
  expect(session.lost.aborted).toBe(true);
  await session.close();
});

test("session: a store that is silent for 0.9 of the lease's time means that it is lost", async () => {
  const { clock, open, key, setAway } = setup();
  const session = await open();
  await clock.advance(TTL_MS);
  setAway(true);
  await clock.advance(TTL_MS * 0.6);
  expect(session.lost.aborted).toBe(false);
  await clock.advance(TTL_MS * 0.35);
  expect(session.lost.aborted).toBe(true);
  await clock.advance(TTL_MS);
  expect(key()).toBeUndefined();
  await session.close();
});

test("session: short outages, one after the other, do not end it", async () => {
  const { clock, open, setAway } = setup();
  const session = await open();
  for (let round = 0; round < 20; round += 1) {
    setAway(true);
    await clock.advance(TTL_MS * 0.5);
    setAway(false);
    await clock.advance(TTL_MS * 0.1);
  }
  expect(session.lost.aborted).toBe(false);
  await session.close();
});

test("session: closing it while the store is away leaves the key to its lease", async () => {
  const { clock, open, key, setAway } = setup();
  const session = await open();
  setAway(true);
  await session.close();
  expect(key()).toBeDefined();
  await clock.advance(TTL_MS);
  expect(key()).toBeUndefined();
});

test("session: a key that exists already is refused, and nothing is renewed for it", async () => {
  const { clock, open, renewals } = setup();
  const session = await open();
  await expect(open()).rejects.toMatchObject({ code: "STORE_REFUSED" });
  await session.close();
  const before = renewals();
  await clock.advance(TTL_MS * 3);
  expect(renewals()).toBe(before);
});

test("session: one that cannot be opened says so and leaves no timer", async () => {
  const { clock, open, setAway } = setup();
  setAway(true);
  await expect(open()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  expect(clock.untilNextTimer()).toBeUndefined();
});

test("session: one that is renewed here needs no thread, and no second store", async () => {
  const { clock, open, key, renewals } = setup();
  const session = await open({ url: "etcd://no.such.host:1", here: true });
  await clock.advance(TTL_MS * 5);
  expect(key()?.createRevision).toBe(session.createRevision);
  expect(renewals()).toBeGreaterThan(10);
  await session.close();
});

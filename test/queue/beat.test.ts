import { expect, test } from "vitest";
import { HistoryCheck } from "../../sim/oracle/history-check.ts";
import { runLeader } from "../../src/beat/beat.ts";
import { resolveBeatOptions } from "../../src/beat/beat-options.ts";
import { del } from "../../src/store/part.ts";
import { prefixRange } from "../../src/store/range.ts";
import type { Store } from "../../src/store/store.ts";
import type { DelayOptions } from "../../src/task/enqueue-options.ts";
import { LEADER_KEY } from "../../src/task/keyspace.ts";
import { defineTask } from "../../src/task/task.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { noteEvents } from "./support/events.ts";
import { dropSessions } from "./support/sessions.ts";
import { defineHeldTask, defineQuickTask } from "./support/tasks.ts";
import { TroubledStore } from "./support/troubled-store.ts";
import { createWorld, type World } from "./support/world.ts";

const LEASE_MS = 5_000;

async function leaderIn(world: World): Promise<string | undefined> {
  const entry = await world.store.get(LEADER_KEY);
  return entry && JSON.parse(Buffer.from(entry.value).toString()).id;
}

/** What leads without being elected, as a leader does that was cut off and does not know. */
function leadUnelected(world: World, leader: string): () => Promise<void> {
  const stop = new AbortController();
  const options = resolveBeatOptions();
  const store = world.storage.open();
  const beat = { clock: world.clock, random: createSeededRandom(9), store, leader, options };
  const done = runLeader(beat, stop.signal);
  return async () => {
    stop.abort();
    await done;
  };
}

test.each([1, 2, 3, 4, 5])(
  "row 14: three Beats of one host that lead at once do no harm (seed %i)",
  async (seed) => {
    await using world = createWorld(seed);
    const { clock, random } = world;
    const starts = new Map<number, number[]>();
    const task = defineTask({
      name: "any",
      retry: { attempts: 3, delay: "2s" },
      retention: { succeeded: "1m", failed: "10m" },
      run: async (n: number, { signal }) => {
        starts.set(n, [...(starts.get(n) ?? []), clock.now()]);
        await clock.sleep(random.next() * 4_000, signal);
        if (random.next() < 0.3) throw new Error("by chance");
        return n;
      },
    });
    const app = await world.app([task]);
    await app.createWorker({ concurrency: 8 }).start();
    const stops = ["x", "y"].map((leader) => leadUnelected(world, leader));
    const below = (limit: number) => Math.floor(random.next() * limit);
    const delays: DelayOptions[] = Array.from({ length: 150 }, () => {
      const delayMs = below(20_000);
      return {
        in: delayMs,
        ...(below(3) === 0 && { expiresIn: delayMs + 1_000 + below(5_000) }),
        ...(below(3) === 0 && { totalTimeout: 1_000 + below(20_000) }),
      };
    });
    const begin = clock.now();
    const handles = await Promise.all(delays.map((options, n) => task.delay(n, options)));
    const ends = await world.drive(Promise.all(handles.map((handle) => handle.settle())));

    expect(world.storage.get(LEADER_KEY)).toBeDefined();
    for (const [n, options] of delays.entries()) {
      const [first] = starts.get(n) ?? [];
      if (first !== undefined) expect(first).toBeGreaterThanOrEqual(begin + Number(options.in));
      if (ends[n]?.state === "expired") expect(first).toBeUndefined();
      if (ends[n]?.state === "succeeded") expect(first).toBeDefined();
    }
    await clock.advance(12 * 60_000);
    for (const stop of stops) await world.drive(stop());
    const check = new HistoryCheck();
    check.run(world.storage.log);
    expect(check.findings).toEqual([]);
    for (const prefix of ["task/0", "due/2", "deadline/", "expire/2", "failed/", "ready/"]) {
      expect((await world.store.range(prefixRange(prefix))).entries).toEqual([]);
    }
  },
);

test("beat: one that is stopped is followed without any time passing", async () => {
  await using world = createWorld();
  const beats = await Promise.all([1, 2, 3].map(async () => (await world.app()).createBeat()));
  for (const beat of beats) beat.start();
  await world.clock.advance(60_000);
  expect(beats.filter(({ leading }) => leading)).toHaveLength(1);
  for (let left = 3; left > 0; left -= 1) {
    const leader = beats.find(({ leading }) => leading);
    const before = await leaderIn(world);
    await leader?.stop();
    await world.clock.settle();
    expect(beats.filter(({ leading }) => leading)).toHaveLength(left - 1 > 0 ? 1 : 0);
    expect(await leaderIn(world)).not.toBe(before);
  }
  expect(await leaderIn(world)).toBeUndefined();
});

test("beat: when the leader's lease is gone another one leads, and what is due is promoted", async () => {
  await using world = createWorld();
  using resigned = noteEvents("etask:beat:resigned");
  const task = defineQuickTask("quick");
  const app = await world.app([task], { beat: false });
  await app.createWorker().start();
  const first = (await world.app()).createBeat();
  first.start();
  await world.clock.settle();
  const second = (await world.app()).createBeat();
  second.start();
  const leader = await leaderIn(world);
  const handle = await task.delay({ n: 1 }, { in: "3s" });
  const lease = (await world.store.get(LEADER_KEY))?.lease as string;
  await world.store.revoke(lease);
  await world.clock.settle();
  expect(second.leading).toBe(true);
  const end = await world.drive(handle.settle());
  expect(end).toEqual({ state: "succeeded", result: 1 });
  await world.clock.advance(LEASE_MS);
  expect(first.leading).toBe(false);
  expect(resigned.seen).toEqual([{ leader, lost: true }]);
});

/** A decoration for one app, and the store that it made. */
function troubled() {
  let made: TroubledStore | undefined;
  return {
    store: () => {
      if (!made) throw new Error("The app was not opened yet.");
      return made;
    },
    decorate: (inner: Store): Store => {
      made = new TroubledStore(inner);
      return made;
    },
  };
}

test("beat: a leader that is cut off stops leading before another one does, and comes back", async () => {
  await using world = createWorld();
  const { store, decorate } = troubled();
  const cutOff = (await world.app([], { decorate })).createBeat();
  cutOff.start();
  await world.clock.settle();
  const other = (await world.app()).createBeat();
  other.start();
  await world.clock.advance(20_000);
  store().away = true;
  for (let ms = 0; !other.leading; ms += 50) {
    expect(ms).toBeLessThan(LEASE_MS + 2_000);
    await world.clock.advance(50);
    expect(cutOff.leading && other.leading).toBe(false);
  }
  store().away = false;
  await world.clock.advance(10_000);
  expect([cutOff.leading, other.leading]).toEqual([false, true]);
  await other.stop();
  await world.clock.settle();
  expect(cutOff.leading).toBe(true);
});

test("beat: a leader whose key somebody deletes makes way", async () => {
  await using world = createWorld();
  const beats = await Promise.all([1, 2].map(async () => (await world.app()).createBeat()));
  for (const beat of beats) beat.start();
  await world.clock.settle();
  const before = await leaderIn(world);
  await world.store.commit([{ guards: [], writes: [del(LEADER_KEY)] }]);
  await world.clock.advance(LEASE_MS);
  expect(beats.filter(({ leading }) => leading)).toHaveLength(1);
  expect(await leaderIn(world)).toMatch(/^[0-9a-f]{16}$/);
  expect(await leaderIn(world)).not.toBe(before);
});

test("beat: runs until its signal aborts, and an aborted one is not started", async () => {
  await using world = createWorld();
  const app = await world.app();
  const stop = new AbortController();
  const running = app.createBeat().run({ signal: stop.signal });
  await world.clock.settle();
  expect(await leaderIn(world)).toBeDefined();
  stop.abort();
  await world.drive(running);
  expect(await leaderIn(world)).toBeUndefined();
  await app.createBeat().run({ signal: AbortSignal.abort() });
  expect(await leaderIn(world)).toBeUndefined();
});

test.each([
  [{ leaseTtl: "1s" }, /leaseTtl must be a duration between 2000 ms and 3600000 ms/],
  [{ leaseTtl: "2h" }, /leaseTtl must be a duration/],
  [{ compaction: "1s" }, /compaction must be a duration/],
  [{ lease: "5s" }, /beat has no option "lease"/],
  ["on", /beat must be/],
])("beat: the option %j is refused", async (beat, message) => {
  await using world = createWorld();
  const outcome = world.app([], { beat: beat as never });
  await expect(outcome).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
  await expect(outcome).rejects.toThrow(message);
});

test("rescue audit: where the last worker vanished, its tasks wait again, put back by the Beat", async () => {
  await using world = createWorld();
  using rescued = noteEvents("etask:task:rescued");
  const held = defineHeldTask("held");
  const { store, decorate } = troubled();
  const app = await world.app([held.task], { beat: false, decorate });
  await app.createWorker().start();
  const handle = await held.task.delay();
  await world.until(() => held.calls.length === 1);
  const reader = await world.app();
  reader.createBeat().start();
  store().away = true;
  await dropSessions(world);
  const state = () => reader.handle(handle.id).state();
  await world.until(async () => (await state()).state === "pending");
  const by = (await leaderIn(world)) as string;
  expect(rescued.seen).toMatchObject([{ id: handle.id, by, state: "pending" }]);
  expect((await state()).attempts).toMatchObject([{ attempt: 1, outcome: "worker-lost" }]);
  expect((await world.store.range(prefixRange("hand/"))).entries).toEqual([]);
  held.calls[0]?.end.resolve(undefined);
  store().away = false;
});

/** A task that is held by hand, so that no worker ends it. */
async function dequeued(world: World, options: DelayOptions) {
  const task = defineQuickTask("quick");
  const app = await world.app([task], { beat: false });
  (await world.app()).createBeat().start();
  const handle = await task.delay({ n: 1 }, options);
  const taken = await app.broker.dequeue(handle.id);
  if (!taken) throw new Error("The task was not taken.");
  return { app, handle, taken };
}

const deadlines = async ({ store }: World) =>
  (await store.range(prefixRange("deadline/"))).entries.map(({ key }) => key);

test("deadlines: a running task that does not end within its total timeout is taken away", async () => {
  await using world = createWorld();
  using overdue = noteEvents("etask:task:overdue");
  const { handle, taken } = await dequeued(world, { totalTimeout: "30s" });
  await world.clock.advance(31_000);
  expect((await handle.state()).state).toBe("running");
  const end = await world.drive(handle.settle());
  expect(end).toMatchObject({ state: "failed", error: { code: "ATTEMPT_TIMEOUT" } });
  expect(overdue.seen).toMatchObject([{ id: handle.id, state: "failed" }]);
  await expect(taken.succeed(1)).rejects.toMatchObject({ code: "ATTEMPT_STALE" });
  expect(await deadlines(world)).toEqual([]);
});

test("deadlines: one that does not obey a cancel is ended by force, and its signal is gone", async () => {
  await using world = createWorld();
  const { handle, taken } = await dequeued(world, {});
  await handle.cancel({ grace: "3s", reason: "enough", by: "me" });
  await world.clock.advance(2_900);
  expect((await handle.state()).state).toBe("running");
  expect(await world.drive(handle.settle())).toMatchObject({ state: "cancelled" });
  expect((await handle.state()).cancel).toMatchObject({ reason: "enough", forced: true });
  await expect(taken.succeed(1)).rejects.toMatchObject({ code: "ATTEMPT_STALE" });
  expect((await world.store.range(prefixRange("signal/"))).entries).toEqual([]);
  expect(await world.store.get(`task/${handle.id}#cancel`)).toBeUndefined();
});

test("deadlines: one that ends in time leaves an entry, which is dropped", async () => {
  await using world = createWorld();
  using overdue = noteEvents("etask:task:overdue");
  const { handle, taken } = await dequeued(world, { totalTimeout: "30s", expiresIn: "20s" });
  await taken.succeed(1);
  expect(await deadlines(world)).toHaveLength(2);
  await world.clock.advance(60_000);
  expect(await deadlines(world)).toEqual([]);
  expect((await handle.state()).state).toBe("succeeded");
  expect(overdue.seen).toEqual([]);
});

test("deadlines: a task given back after it should have been started has expired", async () => {
  await using world = createWorld();
  const { app, handle } = await dequeued(world, { expiresIn: "20s" });
  await world.clock.advance(30_000);
  const reader = (await world.app()).handle(handle.id);
  expect((await reader.state()).state).toBe("running");
  expect(await deadlines(world)).toEqual([]);
  await world.drive(app.close());
  expect(await world.drive(reader.settle())).toEqual({ state: "expired" });
});

test("deadlines: keys of somebody else are left alone, and entries of no task are dropped", async () => {
  await using world = createWorld();
  const { store, clock } = world;
  const app = await world.app();
  const minute = new Date(clock.now()).toISOString().slice(0, 16).replace(/[-T:]/g, "");
  const own = `deadline/${minute}/${clock.now()}/nobody`;
  const strays = ["deadline/0/x", `deadline/${minute}/x`];
  const writes = [own, ...strays].map(
    (key) => ({ op: "put", key, value: new Uint8Array() }) as const,
  );
  await store.commit([{ guards: [], writes }]);
  app.createBeat().start();
  await clock.advance(5_000);
  expect((await deadlines(world)).toSorted()).toEqual(strays.toSorted());
});

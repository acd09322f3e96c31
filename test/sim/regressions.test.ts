import { expect, test } from "vitest";
import type { App } from "../../src/app.ts";
import { runDeadlines } from "../../src/beat/deadlines.ts";
import { runPromoter } from "../../src/beat/promoter.ts";
import { runRescueAudit } from "../../src/beat/rescue-audit.ts";
import { rescueWorker } from "../../src/broker/rescue-worker.ts";
import { put } from "../../src/store/part.ts";
import type { Revision } from "../../src/store/store.ts";
import { claimKey } from "../../src/task/claim-keys.ts";
import { currentRevision } from "../../src/task/current-revision.ts";
import { WORKERS_RANGE, workerOfKey } from "../../src/task/keyspace.ts";
import { defineTask } from "../../src/task/task.ts";
import { dropSessions } from "../queue/support/sessions.ts";
import { createWorld, type World } from "../queue/support/world.ts";
import { createStaleStore } from "./stale-store.ts";

// What the simulation has found, each case made small and certain. The mutations put most of these
// bugs back as well.

const echo = defineTask({ name: "echo", run: (input: string) => input });
const LARGE = "x".repeat(5_000);

/** Runs one loop of the Beat beside `steps`. */
async function beside(
  world: World,
  loop: (signal: AbortSignal) => Promise<void>,
  steps: () => Promise<void>,
): Promise<void> {
  const ending = new AbortController();
  const ended = loop(ending.signal);
  await steps();
  ending.abort();
  await world.drive(ended);
}

/** A promoter sees tasks as of `revision` for a while: `t` waits all the same, and is promoted. */
async function promotedAfterStaleReads(world: World, app: App, revision: Revision): Promise<void> {
  const reads = createStaleStore(world.storage.open());
  reads.stale("task/", revision);
  await beside(
    world,
    (signal) => runPromoter(reads.store, world, signal),
    async () => {
      await world.until(() => reads.staleReads > 0);
      await world.clock.advance(2_000);
      expect((await app.backend.get("t"))?.state).toBe("scheduled");
      reads.fresh();
      await world.until(async () => (await app.backend.get("t"))?.state === "pending");
    },
  );
}

test("regressions: a promoter that reads an old state does not drop the entry of a task that waits", async () => {
  await using world = createWorld();
  const app = await world.app([echo], { beat: false });
  const { revision } = await app.enqueue("echo", "hello", { id: "t" });
  await app.broker.reschedule("t", { in: "5s" });
  await promotedAfterStaleReads(world, app, revision);
});

test("regressions: a promoter that does not see a new task does not fail it as damaged", async () => {
  await using world = createWorld();
  const app = await world.app([echo], { beat: false });
  const revision = await currentRevision(world.store);
  await app.enqueue("echo", LARGE, { id: "t", in: "5s" });
  await app.broker.reschedule("t", { in: "6s" });
  await promotedAfterStaleReads(world, app, revision);
});

test("regressions: an old read does not drop the deadline of a task that waits", async () => {
  await using world = createWorld();
  const app = await world.app([echo], { beat: false });
  const revision = await currentRevision(world.store);
  await app.enqueue("echo", "hello", { id: "t", expiresIn: "5s" });
  const reads = createStaleStore(world.storage.open());
  reads.stale("task/", revision);
  await beside(
    world,
    (signal) => runDeadlines(reads.store, world, signal),
    async () => {
      await world.until(() => reads.staleReads > 0);
      await world.clock.advance(2_000);
      reads.fresh();
      await world.until(async () => (await app.backend.get("t"))?.state === "expired");
    },
  );
});

test("regressions: a rescuer that reads an old state does not forget what a dead worker held", async () => {
  await using world = createWorld();
  const app = await world.app([echo], { beat: false });
  const { revision } = await app.enqueue("echo", "hello", { id: "t" });
  await world.drive(app.broker.dequeue("t"));
  const [entry] = (await world.store.range(WORKERS_RANGE)).entries;
  const who = { worker: workerOfKey(entry?.key ?? ""), by: "tester" };
  await dropSessions(world);
  const reads = createStaleStore(world.storage.open());
  reads.stale("task/", revision);
  const { signal } = new AbortController();
  const old = rescueWorker(reads.store, world, who, signal);
  await expect(world.drive(old)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  expect((await app.backend.get("t"))?.state).toBe("running");
  reads.fresh();
  await world.drive(rescueWorker(reads.store, world, who, signal));
  expect((await app.backend.get("t"))?.state).toBe("pending");
});

test("regressions: a waiter that reads an old state after its watch has passed the end hears of it", async () => {
  await using world = createWorld();
  const reads = createStaleStore(world.storage.open());
  const app = await world.app([echo], { beat: false, decorate: () => reads.store });
  const { revision } = await app.enqueue("echo", "hello", { id: "t" });
  const other = await app.enqueue("echo", "hello", { id: "other" });
  const first = other.settle();
  const taken = await world.drive(app.broker.dequeue("t"));
  await world.drive(taken?.succeed("done") ?? Promise.resolve());
  reads.stale("task/", revision);
  const waiting = app.handle("t").settle();
  await world.until(() => reads.staleReads > 0);
  reads.fresh();
  expect(await world.drive(waiting)).toMatchObject({ state: "succeeded" });
  await world.drive(app.broker.cancel("other"));
  await world.drive(first);
});

test("regressions: whoever waits for a task that was just enqueued is not told that there is none", async () => {
  await using world = createWorld();
  const reads = createStaleStore(world.storage.open());
  const app = await world.app([echo], { beat: false, decorate: () => reads.store });
  const revision = await currentRevision(world.store);
  const handle = await app.enqueue("echo", "hello", { id: "t" });
  const other = await app.enqueue("echo", "hello", { id: "other" });
  const first = other.settle();
  await world.clock.advance(1_000);
  reads.stale("task/t#", revision);
  const waiting = handle.settle();
  await world.until(() => reads.staleReads > 0);
  reads.fresh();
  await world.drive(app.broker.cancel("t"));
  expect(await world.drive(waiting)).toEqual({ state: "cancelled" });
  await world.drive(app.broker.cancel("other"));
  await world.drive(first);
});

test("regressions: a worker that does not see the spec of a large task does not fail it as damaged", async () => {
  await using world = createWorld();
  const reads = createStaleStore(world.storage.open());
  const app = await world.app([echo], { beat: false, decorate: () => reads.store });
  const revision = await currentRevision(world.store);
  await app.enqueue("echo", LARGE, { id: "t" });
  reads.stale("task/t#spec", revision);
  await world.drive(app.createWorker().start());
  await world.until(() => reads.staleReads > 0);
  reads.fresh();
  await world.until(async () => (await app.backend.get("t"))?.state === "succeeded");
});

test("regressions: an old read of its holder does not give a unique key away twice", async () => {
  await using world = createWorld();
  const app = await world.app([echo], { beat: false });
  const revision = await currentRevision(world.store);
  const first = await app.enqueue("echo", "hello", { unique: "k" });
  const reads = createStaleStore(world.storage.open());
  const other = await world.app([echo], { beat: false, decorate: () => reads.store });
  reads.stale("task/", revision);
  const refused = other.enqueue("echo", "hello", { unique: "k" });
  await expect(world.drive(refused)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  reads.fresh();
  const joined = await world.drive(other.enqueue("echo", "hello", { unique: "k" }));
  expect(joined).toMatchObject({ id: first.id, created: false });
});

test("regressions: wishes for a worker that vanished unseen are forgotten", async () => {
  await using world = createWorld();
  const key = "signal/0123456789abcdef/t";
  await world.store.commit([{ guards: [], writes: [put(key, new Uint8Array())] }]);
  await beside(
    world,
    (signal) => runRescueAudit(world.storage.open(), world, signal, { leader: "tester" }),
    () => world.until(async () => (await world.store.get(key)) === undefined),
  );
});

test("regressions: a large task that is cancelled before it starts gives its unique key back", async () => {
  await using world = createWorld();
  const reads = createStaleStore(world.storage.open());
  const app = await world.app([echo], { beat: false, decorate: () => reads.store });
  const revision = await currentRevision(world.store);
  await app.enqueue("echo", LARGE, { id: "t", unique: "k" });
  // It cannot be started while its spec is not to be seen.
  reads.stale("task/t#spec", revision);
  const worker = app.createWorker();
  await world.drive(worker.start());
  await world.until(() => reads.staleReads > 0);
  await world.drive(app.broker.cancel("t", { grace: 0 }));
  await world.clock.advance(100);
  reads.fresh();
  await world.until(async () => (await app.backend.get("t"))?.state === "cancelled");
  expect(await world.store.get(claimKey("unique", "echo", "k"))).toBeUndefined();
});

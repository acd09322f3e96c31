import fc from "fast-check";
import { expect, test } from "vitest";
import { createDeferred } from "../base/deferred.ts";
import { createMemoryStorage } from "../store/memory/index.ts";
import { del, put } from "../store/part.ts";
import type { Store } from "../store/store.ts";
import { StoreUnavailableError } from "../store/store-errors.ts";
import { taskKey } from "../task/keyspace.ts";
import { encodeRecord } from "../task/records.ts";
import { createSeededRandom } from "../testing/seeded-random.ts";
import { createVirtualClock } from "../testing/virtual-clock.ts";
import { Waiters } from "./waiters.ts";

const never = () => new AbortController().signal;

function setup() {
  const clock = createVirtualClock();
  const storage = createMemoryStorage({ clock });
  const inner = storage.open();
  const counts = { watches: 0, looks: 0 };
  let away = false;
  const reach = () => {
    if (away) throw new StoreUnavailableError("away", "no");
  };
  const store = {
    get: async (key: string) => {
      reach();
      return inner.get(key);
    },
    range: async (...given: Parameters<Store["range"]>) => {
      reach();
      if (!given[0].start.startsWith("task/")) counts.looks += 1;
      return inner.range(...given);
    },
    watch: (...given: Parameters<Store["watch"]>) => {
      counts.watches += 1;
      return inner.watch(...given);
    },
  } as Store;
  const world = { clock, random: createSeededRandom(1) };
  const spec = { id: "any", name: "t", queue: "q", priority: 5, createdAt: 1 };
  const commit = (...writes: ReturnType<typeof put | typeof del>[]) =>
    storage.commit([{ guards: [], writes }])[0]?.revision as number;
  return {
    clock,
    storage,
    counts,
    waiters: new Waiters(store, world),
    enqueue: (id: string) =>
      commit(
        put(
          taskKey(id, "spec"),
          encodeRecord({ ...spec, id, sequence: "01ARZ3NDEKTSV4RRFFQ69G5FAV" }),
        ),
      ),
    run: (id: string) =>
      commit(
        put(
          taskKey(id, "state"),
          encodeRecord({ state: "running", attempt: 1, worker: "w", hand: 1, at: 1 }),
        ),
      ),
    end: (id: string, result: unknown = id) =>
      commit(
        put(
          taskKey(id, "state"),
          encodeRecord({ state: "succeeded", attempt: 1, worker: "w", at: 1, result }),
        ),
      ),
    remove: (id: string) => commit(del(taskKey(id, "spec")), del(taskKey(id, "state"))),
    setAway: (value: boolean) => {
      away = value;
    },
  };
}

test("waiters: an end that came after the enqueue and before the wait is found", async () => {
  const { waiters, enqueue, end } = setup();
  const first = enqueue("a");
  const waiting = waiters.wait("a", first, never());
  end("a");
  expect((await waiting)?.result).toBe("a");
  // The shared watch goes on; it has delivered this end before anybody asked for it.
  const second = enqueue("b");
  end("b");
  await Promise.resolve();
  expect((await waiters.wait("b", second, never()))?.result).toBe("b");
  await waiters.close();
});

test("waiters: a task that was removed, or never existed, ends the wait", async () => {
  const { waiters, enqueue, remove } = setup();
  expect(await waiters.wait("none", undefined, never())).toBeUndefined();
  const waiting = waiters.wait("a", enqueue("a"), never());
  remove("a");
  expect(await waiting).toBeUndefined();
  await waiters.close();
});

const id = fc.constantFrom("a", "b", "c");
const step = fc.record({
  kind: fc.constantFrom("enqueue", "run", "end", "wait", "turn", "linger", "compact", "away"),
  id,
});

test("waiters: no end is ever missed, whatever happens between enqueue, end and wait", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const bundle = setup();
      const { waiters, clock, storage } = bundle;
      const revisions = new Map<string, number>();
      const ended = new Set<string>();
      const waits: { id: string; done: Promise<unknown> }[] = [];
      for (const { kind, id } of steps) {
        if (kind === "enqueue" && !revisions.has(id)) revisions.set(id, bundle.enqueue(id));
        else if (kind === "run" && revisions.has(id) && !ended.has(id)) bundle.run(id);
        else if (kind === "end" && revisions.has(id)) {
          bundle.end(id);
          ended.add(id);
        } else if (kind === "wait" && revisions.has(id)) {
          waits.push({ id, done: waiters.wait(id, revisions.get(id), never()) });
          waits.push({ id, done: waiters.wait(id, undefined, never()) });
        } else if (kind === "turn") await Promise.resolve();
        else if (kind === "linger") await clock.advance(11_000);
        else if (kind === "compact") storage.compact(storage.revision);
        else if (kind === "away") {
          bundle.setAway(true);
          await clock.settle();
          bundle.setAway(false);
        }
      }
      for (const waited of new Set(waits.map(({ id }) => id))) bundle.end(waited);
      await clock.advance(20_000);
      for (const { id, done } of waits) {
        const left = Symbol("left");
        const end = await Promise.race([done, Promise.resolve(left)]);
        expect(end).toMatchObject({ state: "succeeded", result: id });
      }
      await waiters.close();
    }),
    { numRuns: 300 },
  );
});

test("waiters: 500 waits for 500 tasks share one watch and one look at the revision", async () => {
  const { clock, waiters, counts, enqueue, end } = setup();
  const ids = Array.from({ length: 500 }, (_, n) => `t${n}`);
  const waits = ids.map((id) => waiters.wait(id, enqueue(id), never()));
  await clock.settle();
  expect(waiters.size).toBe(500);
  expect(counts).toEqual({ watches: 1, looks: 1 });
  for (const id of ids) end(id);
  expect((await Promise.all(waits)).map((end) => end?.result)).toEqual(ids);
  expect(waiters.size).toBe(0);
  await waiters.close();
});

test("waiters: the watch ends some time after the last wait, and starts again", async () => {
  const { clock, waiters, counts, enqueue, end } = setup();
  for (const id of ["a", "b"]) {
    const wait = waiters.wait(id, enqueue(id), never());
    end(id);
    await wait;
    await clock.advance(5_000);
  }
  expect(counts.watches).toBe(1);
  await clock.advance(20_000);
  const wait = waiters.wait("c", enqueue("c"), never());
  await clock.settle();
  end("c");
  await wait;
  expect(counts.watches).toBe(2);
  await waiters.close();
});

test("waiters: history that is lost under them costs them nothing but another look", async () => {
  const { clock, storage, waiters, enqueue, end, setAway } = setup();
  const opened = enqueue("a");
  const idle = waiters.wait("a", opened, never());
  await clock.settle();
  // The watch reads on only in the next turn: what ends now is compacted before.
  enqueue("x");
  end("a");
  storage.compact(storage.revision);
  setAway(true);
  await clock.advance(500);
  setAway(false);
  await clock.advance(5_000);
  expect((await idle)?.result).toBe("a");
  await waiters.close();
});

test("waiters: a store that is away delays a wait and does not fail it", async () => {
  const { clock, waiters, enqueue, end, setAway } = setup();
  const opened = enqueue("a");
  end("a");
  setAway(true);
  const wait = waiters.wait("a", opened, never());
  await clock.advance(30_000);
  setAway(false);
  await clock.advance(3_000);
  expect((await wait)?.result).toBe("a");
  await waiters.close();
});

test("waiters: a signal ends its own wait, at any time, and no other", async () => {
  const { clock, waiters, enqueue, end, setAway } = setup();
  const opened = enqueue("a");
  const reason = new Error("enough");
  await expect(waiters.wait("a", opened, AbortSignal.abort(reason))).rejects.toBe(reason);
  const ending = new AbortController();
  setAway(true);
  const early = waiters.wait("a", opened, ending.signal);
  const other = waiters.wait("a", opened, never());
  ending.abort(reason);
  await expect(early).rejects.toBe(reason);
  setAway(false);
  await clock.advance(3_000);
  expect(waiters.size).toBe(1);
  end("a");
  expect((await other)?.result).toBe("a");
  await waiters.close();
});

test("waiters: closing fails all waits and leaves nothing running, also in the middle of a start", async () => {
  const { clock, waiters, counts, enqueue, setAway } = setup();
  const outcome = createDeferred<unknown>();
  waiters.wait("a", enqueue("a"), never()).catch(outcome.resolve);
  await waiters.close();
  expect(await outcome.promise).toMatchObject({ code: "STORE_CLOSED" });
  await clock.advance(60_000);
  expect(counts.watches).toBe(0);
  expect(clock.untilNextTimer()).toBeUndefined();
  setAway(false);
  await expect(waiters.wait("a", undefined, never())).rejects.toMatchObject({
    code: "STORE_CLOSED",
  });
});

import { expect, test } from "vitest";
import { createMemoryStorage } from "../store/memory/index.ts";
import { del } from "../store/part.ts";
import { createSeededRandom } from "../testing/seeded-random.ts";
import { createVirtualClock } from "../testing/virtual-clock.ts";
import { standForElection } from "./election.ts";
import type { Session } from "./session.ts";

const KEY = "beat/leader";
const TTL_MS = 5_000;

function setup() {
  const clock = createVirtualClock();
  const storage = createMemoryStorage({ clock });
  const world = { clock, random: createSeededRandom(1) };
  const leaders: string[] = [];
  const terms: string[] = [];
  const candidate = (name: string) => {
    const stop = new AbortController();
    let session: Session | undefined;
    const done = standForElection(
      storage.open(),
      world,
      { key: KEY, value: () => Buffer.from(`${name} ${terms.length}`), ttlMs: TTL_MS },
      stop.signal,
      async (won, signal) => {
        session = won;
        leaders.push(name);
        terms.push(name);
        await new Promise<void>((resolve) => {
          if (signal.aborted) resolve();
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
        leaders.splice(leaders.indexOf(name), 1);
      },
    );
    return { done, stop: () => stop.abort(), session: () => session };
  };
  const loseLease = async () => {
    const lease = storage.get(KEY)?.lease;
    if (lease !== undefined) await storage.open().revoke(lease);
  };
  return { clock, storage, leaders, terms, candidate, loseLease };
}

test("election: of many candidates one leads, and stays it", async () => {
  const { clock, leaders, terms, candidate } = setup();
  const candidates = ["a", "b", "c", "d"].map((name) => candidate(name));
  await clock.advance(TTL_MS * 20);
  expect(leaders).toHaveLength(1);
  expect(terms).toHaveLength(1);
  for (const { stop } of candidates) stop();
  await clock.settle();
  await Promise.all(candidates.map(({ done }) => done));
});

test("election: one that stops is followed at once, and leaves no key behind at the end", async () => {
  const { clock, storage, leaders, terms, candidate } = setup();
  const a = candidate("a");
  await clock.settle();
  const b = candidate("b");
  await clock.settle();
  expect(leaders).toEqual(["a"]);
  a.stop();
  await clock.advance(0);
  await a.done;
  await clock.settle();
  expect(leaders).toEqual(["b"]);
  b.stop();
  await clock.settle();
  await b.done;
  expect(terms).toEqual(["a", "b"]);
  expect(storage.get(KEY)).toBeUndefined();
});

test("election: a leader whose lease is gone stops leading and stands again", async () => {
  const { clock, leaders, terms, candidate, loseLease } = setup();
  const a = candidate("a");
  await clock.settle();
  await loseLease();
  await clock.advance(TTL_MS);
  expect(terms).toEqual(["a", "a"]);
  expect(leaders).toEqual(["a"]);
  a.stop();
  await clock.settle();
  await a.done;
});

test("election: when the leader's lease is gone, another one follows within it", async () => {
  const { clock, terms, candidate, loseLease } = setup();
  const a = candidate("a");
  await clock.settle();
  const b = candidate("b");
  await clock.settle();
  await loseLease();
  await clock.settle();
  expect(terms.slice(0, 2)).toEqual(["a", "b"]);
  for (const each of [a, b]) each.stop();
  await clock.advance(TTL_MS);
  await Promise.all([a.done, b.done]);
});

test("election: a leader whose key somebody deletes makes way for another one", async () => {
  const { clock, storage, leaders, terms, candidate } = setup();
  const a = candidate("a");
  await clock.settle();
  const b = candidate("b");
  await clock.settle();
  await storage.open().commit([{ guards: [], writes: [del(KEY)] }]);
  await clock.settle();
  expect(leaders).toEqual(["b"]);
  expect(terms).toEqual(["a", "b"]);
  expect(a.session()?.lost.aborted).toBe(false);
  for (const each of [a, b]) each.stop();
  await clock.advance(TTL_MS);
  await Promise.all([a.done, b.done]);
  expect(storage.get(KEY)).toBeUndefined();
});

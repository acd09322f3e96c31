import { subscribe, unsubscribe } from "node:diagnostics_channel";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Clock, systemClock } from "../base/clock.ts";
import { createDeferred } from "../base/deferred.ts";
import { systemRandom } from "../base/random.ts";
import { openMemoryStore } from "./memory/index.ts";
import { del, keyAbsent, keyPresent, keyUnchanged, type Part, put } from "./part.ts";
import { createResolvingStore } from "./resolving-store.ts";
import type { PartResult, Store } from "./store.ts";
import {
  InvalidCommitError,
  LeaseLostError,
  StoreDeniedError,
  StoreFullError,
  StoreUnavailableError,
} from "./store-errors.ts";

const bytes = (value: string) => Buffer.from(value);
/** Of the first write: an empty store is at 1. */
const FIRST = 2;
const turn = () => new Promise<void>((resolve) => systemClock.nextTurn(resolve));

/** What happens to one commit on its way to the store and back. */
type Fate =
  | "answered"
  /** Applied, but the answer is lost. */
  | "answer lost"
  /** The request is lost, and nobody can tell. */
  | "request lost"
  /** Fails with certainty before it is sent. */
  | "not sent"
  /** Fails, and is applied only after the next commit was. */
  | "late"
  | Error;

/** A memory store whose commits meet fates. */
function createFatefulStore(nextFate: () => Fate) {
  const memory = openMemoryStore();
  const sent: (readonly Part[])[] = [];
  let late: (readonly Part[])[] = [];
  const arrive = async (parts: readonly Part[]): Promise<PartResult[]> => {
    const results = await memory.commit(parts);
    for (const copy of late) await memory.commit(copy);
    late = [];
    return results;
  };
  const commit = async (parts: readonly Part[]): Promise<PartResult[]> => {
    sent.push(parts);
    await turn();
    const fate = nextFate();
    if (fate === "answered") return arrive(parts);
    if (fate === "answer lost") await arrive(parts);
    if (fate === "late") late.push(parts);
    if (fate instanceof Error) throw fate;
    throw new StoreUnavailableError(`${fate}.`, fate === "not sent" ? "no" : "unknown");
  };
  const store = new Proxy(memory, {
    get: (target, name) => {
      if (name === "commit") return commit;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { memory, store, sent };
}

/** A clock on which sleeping takes no time but counts. */
function createLeapingClock() {
  let ms = 0;
  const pauses: number[] = [];
  const clock: Clock = {
    ...systemClock,
    monotonic: () => ms,
    sleep: async (pauseMs, signal) => {
      signal?.throwIfAborted();
      pauses.push(pauseMs);
      ms += pauseMs;
      await turn();
    },
  };
  return { clock, pauses };
}

function setup(fates: readonly Fate[], then: Fate = "answered", budgetMs = 10_000) {
  const left = [...fates];
  const fateful = createFatefulStore(() => left.shift() ?? then);
  const { clock, pauses } = createLeapingClock();
  const options = { clock, random: systemRandom, budgetMs };
  return { ...fateful, pauses, resolving: createResolvingStore(fateful.store, options) };
}

const claim = (key: string, nonce: string): Part => ({
  guards: [keyAbsent(key)],
  writes: [put(key, bytes(nonce))],
  witness: key,
});

async function textAt(store: Store, key: string): Promise<string | undefined> {
  const entry = await store.get(key);
  return entry && Buffer.from(entry.value).toString();
}

test("resolving: without trouble parts are passed on as they are", async () => {
  const { resolving, sent } = setup([]);
  const parts = [claim("a", "1"), claim("b", "2")];
  const results = await resolving.commit(parts);
  expect(results.map((result) => result.applied)).toEqual([true, true]);
  expect(sent).toEqual([parts]);
  expect(sent[0]?.[0]).toBe(parts[0]);
});

test.each<Fate>([
  "answer lost",
  "request lost",
  "not sent",
  "late",
  new StoreFullError("No space.", "unknown"),
])("resolving: %s, then the store is back: the part is applied exactly once", async (fate) => {
  const { resolving, memory } = setup([fate]);
  const results = await resolving.commit([claim("k", "mine")]);
  const entry = await memory.get("k");
  expect(results).toEqual([{ applied: true, revision: entry?.modRevision, reads: [] }]);
  expect(entry?.version).toBe(1);
});

test("resolving: after a lost answer the revision is the one of the first copy", async () => {
  const { resolving, memory } = setup(["answer lost", "request lost", "answer lost"]);
  const [result] = await resolving.commit([claim("k", "mine")]);
  expect(result).toEqual({ applied: true, revision: FIRST, reads: [] });
  expect((await memory.range({ start: "", end: "~" })).revision).toBe(FIRST);
});

test("resolving: who lost to another is told so, with the reads asked for", async () => {
  const { resolving, memory, sent } = setup(["request lost"]);
  await memory.commit([claim("k", "theirs")]);
  const part = { ...claim("k", "mine"), otherwise: ["other"] };
  const [result] = await resolving.commit([part]);
  expect(result).toEqual({ applied: false, revision: FIRST, reads: [undefined] });
  expect(sent[1]?.[0]?.otherwise).toEqual(["other", "k"]);
});

test("resolving: a witness that the caller reads is read once and left in place", async () => {
  const { resolving, memory, sent } = setup(["request lost"]);
  await memory.commit([claim("k", "theirs")]);
  const [result] = await resolving.commit([{ ...claim("k", "mine"), otherwise: ["k", "x"] }]);
  expect(sent[1]?.[0]?.otherwise).toEqual(["k", "x"]);
  expect(result?.reads.map((entry) => entry?.key)).toEqual(["k", undefined]);
});

test("resolving: a key that moved on after the first copy is reported as not applied", async () => {
  const { resolving, memory } = setup([], "answer lost");
  const parts = [claim("k", "mine")];
  await expect(resolving.commit(parts)).rejects.toMatchObject({ applied: "unknown" });
  const entry = await memory.get("k");
  const takeOver = [keyUnchanged("k", entry?.modRevision ?? 0)];
  await memory.commit([{ guards: takeOver, writes: [put("k", bytes("theirs"))] }]);
  const after = createResolvingStore(memory, createOptions());
  const [result] = await after.commit(parts);
  expect(result?.applied).toBe(false);
  expect(await textAt(memory, "k")).toBe("theirs");
});

test("resolving: a part that only deletes is done, though the credit may be lost", async () => {
  const { resolving, memory } = setup(["answer lost"]);
  await memory.commit([claim("k", "old")]);
  const [result] = await resolving.commit([{ guards: [keyPresent("k")], writes: [del("k")] }]);
  expect(result?.applied).toBe(false);
  expect(await memory.get("k")).toBeUndefined();
});

test("resolving: the parts of one commit are resolved each for itself", async () => {
  const { resolving, memory } = setup(["answer lost"]);
  await memory.commit([claim("b", "theirs")]);
  const results = await resolving.commit([claim("a", "1"), claim("b", "2"), claim("c", "3")]);
  expect(results.map((result) => result.applied)).toEqual([true, false, true]);
  expect(results[0]?.revision).toBe(results[2]?.revision);
  expect(results[1]?.reads).toEqual([]);
});

test("resolving: when the budget is over, applied is unknown if any try was", async () => {
  const { resolving, pauses, sent } = setup(["answer lost"], "not sent");
  await expect(resolving.commit([claim("k", "1")])).rejects.toMatchObject({
    code: "STORE_UNAVAILABLE",
    applied: "unknown",
  });
  const total = pauses.reduce((sum, pause) => sum + pause, 0);
  expect(total).toBeLessThanOrEqual(10_000);
  expect(total).toBeGreaterThan(9_000 - 1);
  expect(sent.length).toBe(pauses.length + 1);
  for (const pause of pauses) expect(pause).toBeGreaterThanOrEqual(50);
  for (const pause of pauses) expect(pause).toBeLessThanOrEqual(1_000);
});

test("resolving: when no try can have been applied, the error says so", async () => {
  const { resolving, sent } = setup([], "not sent");
  await expect(resolving.commit([claim("k", "1")])).rejects.toMatchObject({ applied: "no" });
  expect(sent.every(([part]) => part?.otherwise === undefined)).toBe(true);
});

test("resolving: a part handed in again goes on being resolved", async () => {
  const { resolving, sent } = setup(["answer lost"], "answered", 0);
  const part = claim("k", "mine");
  await expect(resolving.commit([part])).rejects.toMatchObject({ applied: "unknown" });
  const [result] = await resolving.commit([part]);
  expect(result).toEqual({ applied: true, revision: FIRST, reads: [] });
  expect(sent[1]?.[0]?.otherwise).toEqual(["k"]);
});

test("resolving: a refusal of the first try is passed on at once, certain", async () => {
  const { resolving, sent } = setup([new LeaseLostError("7")]);
  await expect(resolving.commit([claim("k", "1")])).rejects.toMatchObject({
    code: "LEASE_LOST",
    applied: "no",
  });
  expect(sent.length).toBe(1);
});

test.each([
  [new LeaseLostError("7"), { code: "LEASE_LOST", applied: "unknown", lease: "7" }],
  [new StoreDeniedError("No."), { code: "STORE_UNAVAILABLE", applied: "unknown" }],
  [new InvalidCommitError("No."), { code: "INVALID_COMMIT", applied: "no" }],
])("resolving: a re-send refused with %s does not hide the first copy", async (refusal, seen) => {
  const { resolving } = setup(["answer lost", refusal]);
  const part = claim("k", "mine");
  await expect(resolving.commit([part])).rejects.toMatchObject(seen);
  expect(await resolving.commit([part])).toEqual([{ applied: true, revision: FIRST, reads: [] }]);
});

test("resolving: each re-send of an unknown outcome is published", async () => {
  const events: unknown[] = [];
  const listen = (event: unknown) => events.push(event);
  subscribe("etask:store:resolving", listen);
  const { resolving } = setup(["not sent", "request lost", "not sent"]);
  await resolving.commit([claim("k", "1")]);
  unsubscribe("etask:store:resolving", listen);
  expect(events).toEqual([
    { parts: 1, reason: "request lost." },
    { parts: 1, reason: "not sent." },
  ]);
});

test.each<[Fate, string]>([
  ["answer lost", "unknown"],
  ["not sent", "no"],
])("resolving: close during the pause after '%s' says applied: %s", async (fate, applied) => {
  const { store } = createFatefulStore(() => fate);
  const asleep = createDeferred<void>();
  const clock: Clock = {
    ...systemClock,
    sleep: (ms, signal) => {
      asleep.resolve();
      return systemClock.sleep(ms + 60_000, signal);
    },
  };
  const resolving = createResolvingStore(store, { clock, random: systemRandom });
  const call = resolving.commit([claim("k", "1")]);
  const refused = expect(call).rejects.toMatchObject({ code: "STORE_CLOSED", applied });
  await asleep.promise;
  await resolving.close();
  await refused;
});

function createOptions() {
  return { clock: createLeapingClock().clock, random: systemRandom };
}

const fates: fc.Arbitrary<Fate> = fc.oneof(
  { weight: 70, arbitrary: fc.constant<Fate>("answered") },
  { weight: 10, arbitrary: fc.constant<Fate>("answer lost") },
  { weight: 10, arbitrary: fc.constant<Fate>("request lost") },
  { weight: 5, arbitrary: fc.constant<Fate>("late") },
  { weight: 5, arbitrary: fc.constant<Fate>("not sent") },
);

test("resolving: with 30 % of answers lost, nobody believes wrongly to own a key", async () => {
  const scenario = fc.record({
    workers: fc.integer({ min: 1, max: 5 }),
    keys: fc.integer({ min: 1, max: 4 }),
    budgetMs: fc.constantFrom(0, 200, 10_000),
    stream: fc.infiniteStream(fates),
  });
  await fc.assert(
    fc.asyncProperty(scenario, async ({ workers, keys, budgetMs, stream }) => {
      const { memory, store } = createFatefulStore(() => stream.next().value ?? "answered");
      const { clock } = createLeapingClock();
      const resolving = createResolvingStore(store, { clock, random: systemRandom, budgetMs });
      const beliefs = new Map<string, string[]>();
      const work = async (worker: number) => {
        for (let key = 0; key < keys; key += 1) {
          const part = claim(`k${key}`, `w${worker}/k${key}`);
          const result = await untilKnown(resolving, part);
          if (!result.applied) continue;
          beliefs.set(`k${key}`, [...(beliefs.get(`k${key}`) ?? []), `w${worker}/k${key}`]);
          expect((await memory.get(`k${key}`))?.modRevision).toBe(result.revision);
        }
      };
      await Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)));
      for (let key = 0; key < keys; key += 1) {
        expect(beliefs.get(`k${key}`)).toEqual([await textAt(memory, `k${key}`)]);
        expect((await memory.get(`k${key}`))?.version).toBe(1);
      }
    }),
    { numRuns: 300 },
  );
});

/**
 * As a worker does with a result that exists nowhere else: hands the same part in until it is told.
 */
async function untilKnown(store: Store, part: Part): Promise<PartResult> {
  for (let round = 0; round < 1_000; round += 1) {
    try {
      const [result] = await store.commit([part]);
      if (result !== undefined) return result;
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
    }
  }
  throw new Error("1000 rounds and no answer.");
}

import fc from "fast-check";
import { expect, test } from "vitest";
import { systemClock } from "../base/clock.ts";
import { createDeferred, type Deferred } from "../base/deferred.ts";
import { createGroupCommitStore, WAIT_MS_MAX, WAITING_PARTS_MAX } from "./group-commit-store.ts";
import { COMMIT_PARTS_MAX } from "./limits.ts";
import { openMemoryStore } from "./memory/index.ts";
import { del, type Guard, keyAbsent, keyPresent, type Part, put, type Write } from "./part.ts";
import type { PartResult, Store } from "./store.ts";
import { InvalidCommitError, StoreFullError, StoreUnavailableError } from "./store-errors.ts";

const bytes = (value: string) => Buffer.from(value);
const putPart = (key: string, value = "1", guards: Guard[] = []): Part => ({
  guards,
  writes: [put(key, bytes(value))],
});
const deletePart = (key: string): Part => ({ guards: [], writes: [del(key)] });
const turn = () => new Promise<void>((resolve) => systemClock.nextTurn(resolve));
const keysOf = (parts: readonly Part[]) =>
  parts.flatMap((part) => part.writes.map((write) => write.key));

/** A memory store whose commits are seen, and answered when the test says so. */
class GatedStore {
  readonly sent: (readonly Part[])[] = [];
  readonly gates: Deferred<void>[] = [];
  open = true;
  inFlight = 0;
  inFlightMax = 0;
  readonly memory: Store = openMemoryStore();
  readonly store: Store;

  constructor() {
    const commit = (parts: readonly Part[]) => this.commit(parts);
    this.store = new Proxy(this.memory, {
      get: (target, name) => {
        if (name === "commit") return commit;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }

  async commit(parts: readonly Part[]): Promise<PartResult[]> {
    this.sent.push(parts);
    this.inFlight += 1;
    this.inFlightMax = Math.max(this.inFlightMax, this.inFlight);
    try {
      if (!this.open) {
        const gate = createDeferred<void>();
        this.gates.push(gate);
        await gate.promise;
      }
      return await this.memory.commit(parts);
    } finally {
      this.inFlight -= 1;
    }
  }

  /** Lets the oldest commit go on, or fail. */
  async answer(error?: Error): Promise<void> {
    const gate = this.gates.shift();
    if (error) gate?.reject(error);
    else gate?.resolve();
    await turn();
    await turn();
  }
}

function setup(options: { open?: boolean; flightsMax?: number; monotonic?: () => number } = {}) {
  const gated = new GatedStore();
  gated.open = options.open ?? true;
  const clock = { ...systemClock, ...(options.monotonic && { monotonic: options.monotonic }) };
  const { flightsMax } = options;
  const store = createGroupCommitStore(
    gated.store,
    flightsMax === undefined ? { clock } : { clock, flightsMax },
  );
  return { gated, store };
}

test("group commit: calls of one turn share a commit and get their own results", async () => {
  const { gated, store } = setup();
  const calls = [
    store.commit([putPart("a"), putPart("b", "1", [keyPresent("nothing")])]),
    store.commit([{ ...putPart("c", "1", [keyPresent("nothing")]), otherwise: ["d"] }]),
    store.commit([putPart("e")]),
  ];
  const results = await Promise.all(calls);
  expect(gated.sent.map((parts) => parts.length)).toEqual([4]);
  expect(results.map((each) => each.map((result) => result.applied))).toEqual([
    [true, false],
    [false],
    [true],
  ]);
  expect(results[1]?.[0]?.reads).toEqual([undefined]);
  expect(results[0]?.[0]?.revision).toBe(results[2]?.[0]?.revision);
});

test("group commit: a full commit is sent and the rest goes in the next", async () => {
  const { gated, store } = setup();
  const calls = Array.from({ length: COMMIT_PARTS_MAX * 2 + 1 }, (_, index) =>
    store.commit([putPart(`k${index}`)]),
  );
  await Promise.all(calls);
  expect(gated.sent.map((parts) => parts.length)).toEqual([COMMIT_PARTS_MAX, COMMIT_PARTS_MAX, 1]);
});

test("group commit: the parts of one call are never torn apart", async () => {
  const { gated, store } = setup();
  const call = (name: string) =>
    store.commit(Array.from({ length: 60 }, (_, index) => putPart(`${name}${index}`)));
  const results = await Promise.all([call("a"), call("b"), call("c")]);
  expect(gated.sent.map((parts) => parts.length)).toEqual([60, 60, 60]);
  for (const parts of results) expect(new Set(parts.map((part) => part.revision)).size).toBe(1);
});

test("group commit: large values are merged only up to half a commit", async () => {
  const { gated, store } = setup();
  const value = "x".repeat(300_000);
  await Promise.all(["a", "b", "c"].map((key) => store.commit([putPart(key, value)])));
  expect(gated.sent.map((parts) => parts.length)).toEqual([2, 1]);
});

test("group commit: while all flights are busy, calls accumulate", async () => {
  const { gated, store } = setup({ open: false, flightsMax: 2 });
  const calls: Promise<PartResult[]>[] = [];
  for (let index = 0; index < 10; index += 1) {
    calls.push(store.commit([putPart(`k${index}`)]));
    await turn();
  }
  expect(gated.sent.map((parts) => parts.length)).toEqual([1, 1]);
  await gated.answer();
  expect(gated.sent.map((parts) => parts.length)).toEqual([1, 1, 8]);
  gated.open = true;
  await gated.answer();
  await gated.answer();
  await Promise.all(calls);
  expect(gated.inFlightMax).toBe(2);
});

test("group commit: calls on one key go one after another, others pass them by", async () => {
  const { gated, store } = setup({ open: false });
  const first = store.commit([putPart("k", "1")]);
  const second = store.commit([putPart("k", "2"), putPart("other")]);
  const third = store.commit([putPart("other", "3")]);
  const free = store.commit([putPart("free")]);
  await turn();
  expect(gated.sent.map(keysOf)).toEqual([["k", "free"]]);
  await gated.answer();
  expect(gated.sent.map(keysOf)).toEqual([
    ["k", "free"],
    ["k", "other"],
  ]);
  await gated.answer();
  expect(gated.sent.map(keysOf)).toEqual([["k", "free"], ["k", "other"], ["other"]]);
  gated.open = true;
  await gated.answer();
  await Promise.all([first, second, third, free]);
  expect(Buffer.from((await store.get("k"))?.value ?? []).toString()).toBe("2");
});

test("group commit: guards on one key do not keep calls apart, a write of it does", async () => {
  const { gated, store } = setup({ open: false });
  await gated.memory.commit([putPart("worker")]);
  const guarded = (key: string) => store.commit([putPart(key, "1", [keyPresent("worker")])]);
  const before = [guarded("a"), guarded("b")];
  const write = store.commit([deletePart("worker")]);
  const after = [guarded("c"), guarded("d")];
  await turn();
  expect(gated.sent.map(keysOf)).toEqual([["a", "b"]]);
  await gated.answer();
  expect(gated.sent.map(keysOf)).toEqual([["a", "b"], ["worker"]]);
  await gated.answer();
  expect(gated.sent.map(keysOf)).toEqual([["a", "b"], ["worker"], ["c", "d"]]);
  gated.open = true;
  await gated.answer();
  const applied = (await Promise.all([...before, write, ...after])).map((each) => each[0]?.applied);
  expect(applied).toEqual([true, true, true, false, false]);
});

test("group commit: one caller's lost lease fails that caller alone", async () => {
  const { store } = setup();
  const calls = Array.from({ length: 20 }, (_, index) =>
    store.commit([
      index === 13
        ? { guards: [], writes: [put("leased", bytes("1"), "404")] }
        : putPart(`k${index}`),
    ]),
  );
  const outcomes = await Promise.allSettled(calls);
  const failed = outcomes.flatMap((each, index) => (each.status === "rejected" ? [index] : []));
  expect(failed).toEqual([13]);
  await expect(calls[13]).rejects.toMatchObject({ code: "LEASE_LOST" });
  expect(await store.get("k12")).toBeDefined();
});

test("group commit: an unavailable store fails every caller of the flight", async () => {
  const { gated, store } = setup({ open: false });
  const calls = [store.commit([putPart("a")]), store.commit([putPart("b")])];
  await turn();
  const error = new StoreUnavailableError("The answer was lost.", "unknown");
  await Promise.all([
    gated.answer(error),
    ...calls.map((call) => expect(call).rejects.toBe(error)),
  ]);
  expect(gated.sent.length).toBe(1);
});

test("group commit: deletions are sent while all flights with puts are stuck", async () => {
  const { gated, store } = setup({ open: false, flightsMax: 1 });
  const stuck = store.commit([putPart("a")]);
  const deletion = store.commit([deletePart("b")]);
  await turn();
  expect(gated.sent.map(keysOf)).toEqual([["a"], ["b"]]);
  const full = new StoreFullError("No space.", "unknown");
  await Promise.all([gated.answer(full), expect(stuck).rejects.toBe(full)]);
  await gated.answer();
  await deletion;
});

test("group commit: who waited too long behind a failing flight fails, unsent", async () => {
  let nowMs = 0;
  const { gated, store } = setup({ open: false, flightsMax: 1, monotonic: () => nowMs });
  const flying = store.commit([putPart("k")]);
  await turn();
  const old = store.commit([putPart("k", "2")]);
  nowMs = WAIT_MS_MAX;
  const young = store.commit([putPart("k", "3")]);
  nowMs += 1;
  const lost = new StoreUnavailableError("No answer.", "unknown");
  const failures = [
    expect(flying).rejects.toBe(lost),
    expect(old).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", applied: "no", cause: lost }),
  ];
  gated.open = true;
  await Promise.all([gated.answer(lost), ...failures]);
  await young;
  expect(gated.sent.map((parts) => parts.flatMap((part) => part.writes))).toMatchObject([
    [{ value: bytes("1") }],
    [{ value: bytes("3") }],
  ]);
  await store.close();
});

test("group commit: what breaks the contract is refused before it queues", async () => {
  const { gated, store } = setup();
  const twice = store.commit([putPart("a"), putPart("a")]);
  await expect(twice).rejects.toBeInstanceOf(InvalidCommitError);
  await expect(store.commit([])).rejects.toBeInstanceOf(InvalidCommitError);
  expect(gated.sent).toEqual([]);
});

test("group commit: beyond the bound of waiting parts the store is busy", async () => {
  const { gated, store } = setup({ open: false });
  const part = deletePart;
  const calls: Promise<unknown>[] = [];
  for (let index = 0; index < WAITING_PARTS_MAX; index += 50) {
    const parts = Array.from({ length: 50 }, (_, offset) => part(`k${index + offset}`));
    calls.push(store.commit(parts));
  }
  await expect(store.commit([putPart("x")])).rejects.toMatchObject({
    code: "STORE_BUSY",
    applied: "no",
  });
  await turn();
  gated.open = true;
  await gated.answer();
  await Promise.all(calls);
  await store.commit([putPart("x")]);
});

test("group commit: close sends what is queued, then closes the store below", async () => {
  const { gated, store } = setup({ open: false });
  const calls = [store.commit([putPart("k", "1")]), store.commit([putPart("k", "2")])];
  const closed = store.close();
  await expect(store.commit([putPart("late")])).rejects.toMatchObject({
    code: "STORE_CLOSED",
    applied: "no",
  });
  await turn();
  gated.open = true;
  await gated.answer();
  const results = await Promise.all(calls);
  expect(results.flat().map((result) => result.applied)).toEqual([true, true]);
  await closed;
  await store.close();
  await expect(store.get("k")).rejects.toMatchObject({ code: "STORE_CLOSED" });
});

const key = fc.constantFrom("a", "b", "c", "d");
const guard: fc.Arbitrary<Guard> = fc
  .tuple(key, fc.boolean())
  .map(([name, absent]) => (absent ? keyAbsent(name) : keyPresent(name)));
const write: fc.Arbitrary<Write> = fc
  .tuple(key, fc.option(fc.string({ maxLength: 3 })))
  .map(([name, value]) => (value === null ? del(name) : put(name, bytes(value))));
const part: fc.Arbitrary<Part> = fc.record({
  guards: fc.array(guard, { maxLength: 2 }),
  writes: fc.uniqueArray(write, { minLength: 1, maxLength: 2, selector: (each) => each.key }),
  otherwise: fc.array(key, { maxLength: 2 }),
});
const call = fc.array(part, { minLength: 1, maxLength: 3 }).filter((parts) =>
  parts.every((one) =>
    parts.every((other) => {
      if (one === other) return true;
      const named = [...other.guards.map((each) => each.key), ...(other.otherwise ?? [])];
      const all = new Set([...named, ...keysOf([other])]);
      return keysOf([one]).every((name) => !all.has(name));
    }),
  ),
);

// Calls in conflict keep their order and calls without conflict commute: so the order of arrival is
// always one of the serial orders that explain the results, and the one that is easy to replay.
test("group commit: results are those of the calls made one by one as they arrived", async () => {
  const bursts = fc.array(fc.array(call, { minLength: 1, maxLength: 8 }), { maxLength: 6 });
  const scenario = fc.tuple(bursts, fc.integer({ min: 1, max: 4 }), fc.infiniteStream(fc.nat(3)));
  await fc.assert(
    fc.asyncProperty(scenario, async ([turns, flightsMax, delays]) => {
      const { gated, store } = setup({ open: false, flightsMax });
      const answers = answerLater(gated, delays);
      const calls: Promise<PartResult[]>[] = [];
      for (const burst of turns) {
        calls.push(...burst.map((parts) => store.commit(parts)));
        await turn();
      }
      const results = await Promise.all(calls);
      answers.stop();
      const model = openMemoryStore();
      for (const [index, parts] of turns.flat().entries()) {
        const expected = await model.commit(parts);
        expect(results[index]?.map(visible)).toEqual(expected.map(visible));
        const revisions = results[index]?.flatMap((each) => (each.applied ? [each.revision] : []));
        expect(new Set(revisions).size).toBeLessThanOrEqual(1);
      }
      for (const name of ["a", "b", "c", "d"]) {
        const [here, there] = [await store.get(name), await model.get(name)];
        expect(here && visibleEntry(here)).toEqual(there && visibleEntry(there));
      }
    }),
    { numRuns: 300 },
  );
});

/** Answers commits in some order, some turns after they were sent, until stopped. */
function answerLater(gated: GatedStore, delays: Iterable<number> & Iterator<number>) {
  let stopped = false;
  const step = () => {
    const delay = delays.next().value ?? 0;
    const [gate] = gated.gates.splice(delay % Math.max(1, gated.gates.length), 1);
    gate?.resolve();
    if (!stopped) systemClock.nextTurn(step);
  };
  systemClock.nextTurn(step);
  return {
    stop: () => {
      stopped = true;
    },
  };
}

// Revisions differ, because commits are merged; versions and values may not.
function visible({ applied, reads }: PartResult) {
  return { applied, reads: reads.map((entry) => entry && visibleEntry(entry)) };
}

function visibleEntry(entry: { key: string; value: Uint8Array; version: number }) {
  return { key: entry.key, value: Buffer.from(entry.value).toString(), version: entry.version };
}

import { expect, test } from "vitest";
import { createMemoryStorage } from "../store/memory/index.ts";
import { keyAbsent, type Part, put } from "../store/part.ts";
import type { Store } from "../store/store.ts";
import { StoreUnavailableError } from "../store/store-errors.ts";
import { commitBulk } from "./bulk.ts";

const partsOf = (count: number, bytes = 1): Part[] =>
  Array.from({ length: count }, (_, index) => {
    const key = `k${String(index).padStart(5, "0")}`;
    return { guards: [keyAbsent(key)], writes: [put(key, new Uint8Array(bytes))] };
  });

/** A store whose n-th commit may fail, and what it was asked. */
function setup(errorOf: (commit: number) => Error | undefined = () => undefined) {
  const storage = createMemoryStorage();
  const inner = storage.open();
  const commits: number[] = [];
  let underWay = 0;
  let underWayMax = 0;
  const store = {
    commit: async (parts: readonly Part[]) => {
      underWayMax = Math.max(underWayMax, ++underWay);
      const error = errorOf(commits.push(parts.length));
      await Promise.resolve();
      underWay -= 1;
      if (error) throw error;
      return inner.commit(parts);
    },
  } as Store;
  return { storage, store, commits, underWayMax: () => underWayMax };
}

test("bulk: nothing is no commit", async () => {
  const { store, commits } = setup();
  expect(await commitBulk(store, [])).toEqual({ outcomes: [], error: undefined });
  expect(commits).toEqual([]);
});

test("bulk: chunks are full, a few are under way at once, and outcomes keep the order", async () => {
  const { store, commits, underWayMax } = setup();
  const { outcomes } = await commitBulk(store, partsOf(1_000));
  expect(commits).toEqual([...new Array<number>(10).fill(96), 40]);
  expect(underWayMax()).toBe(4);
  expect(outcomes.every((outcome) => outcome.kind === "done" && outcome.result.applied)).toBe(true);
});

test("bulk: large parts are cut by their bytes", async () => {
  const { store, commits } = setup();
  await commitBulk(store, partsOf(5, 600_000));
  expect(commits).toEqual([2, 2, 1]);
});

test("bulk: a part that does not hold is done all the same", async () => {
  const { store } = setup();
  const [part] = partsOf(1) as [Part];
  await commitBulk(store, [part]);
  const { outcomes, error } = await commitBulk(store, [part]);
  expect(outcomes).toMatchObject([{ kind: "done", result: { applied: false } }]);
  expect(error).toBeUndefined();
});

test("bulk: after a failure nothing new is sent, and each part says what is known of it", async () => {
  const gone = new StoreUnavailableError("gone", "unknown");
  const { store, storage, commits } = setup((commit) => (commit === 2 ? gone : undefined));
  const { outcomes, error } = await commitBulk(store, partsOf(1_000));
  expect(error).toBe(gone);
  const known = outcomes.map((outcome) => (outcome.kind === "done" ? "done" : outcome.applied));
  expect(commits.length).toBeLessThan(8);
  expect(known.filter((each) => each === "unknown")).toHaveLength(96);
  expect(known.slice(96, 192).every((each) => each === "unknown")).toBe(true);
  expect(known.filter((each) => each === "done")).toHaveLength((commits.length - 1) * 96);
  expect(known.slice(-40).every((each) => each === "no")).toBe(true);
  expect(storage.revision).toBe(1 + commits.length - 1);
});

test("bulk: an error that is none of the store's leaves everything open", async () => {
  const { store } = setup(() => new TypeError("bug"));
  const { outcomes } = await commitBulk(store, partsOf(2));
  expect(outcomes).toEqual(new Array(2).fill({ kind: "missing", applied: "unknown" }));
});

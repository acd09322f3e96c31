import assert from "node:assert/strict";
import { describe, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { type StoreHarness, storeCases } from "../../src/store/conformance/index.ts";
import type { Store } from "../../src/store/store.ts";
import { openMemoryHarness } from "../support/store-harness.ts";
import { changed, wrongStores } from "../support/wrong-stores.ts";

/** A correct store in memory answers within a fraction of this; a wrong one may never answer. */
const PATIENCE_MS = 1_000;

async function fails(
  run: (harness: StoreHarness) => Promise<void>,
  wrap: (store: Store) => Store,
): Promise<boolean> {
  await using inner = await openMemoryHarness();
  const another = async () => wrap(await inner.another());
  const harness = { ...inner, store: wrap(inner.store), another };
  const given = new AbortController();
  const late = systemClock.sleep(PATIENCE_MS, given.signal).then(
    () => true,
    () => false,
  );
  const failed = run(harness).then(
    () => false,
    () => true,
  );
  const result = await Promise.race([failed, late]);
  given.abort();
  return result;
}

/** The first case that such a store fails, if any. */
async function firstFailure(wrap: (store: Store) => Store): Promise<string | undefined> {
  for (const [name, run] of Object.entries(storeCases)) if (await fails(run, wrap)) return name;
  return undefined;
}

describe("the conformance suite", () => {
  test("a correct store that is wrapped passes", async () => {
    assert.equal(await firstFailure((store) => changed(store, () => ({}))), undefined);
  });

  test.each(Object.entries(wrongStores))("notices a store that %s", async (_name, change) => {
    assert.notEqual(await firstFailure((store) => changed(store, change)), undefined);
  });
});

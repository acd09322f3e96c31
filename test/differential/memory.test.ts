import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import { createGroupCommitStore } from "../../src/store/group-commit-store.ts";
import { createNamespacedStore } from "../../src/store/namespaced-store.ts";
import { createResolvingStore } from "../../src/store/resolving-store.ts";
import type { Store } from "../../src/store/store.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { createVirtualClock } from "../../src/testing/virtual-clock.ts";
import { changed, wrongStores } from "../support/wrong-stores.ts";
import { sequences } from "./commands.ts";
import { runSequence } from "./run-sequence.ts";
import type { SubjectWorld } from "./subject.ts";
import { createMemoryWorld } from "./worlds.ts";

/** Wrong only where calls run at once, or where a watch or the store ends: not in a sequence. */
const BEYOND_SEQUENCES: readonly string[] = [
  "reads otherwise after the commit",
  "ends a watch quietly when it is closed",
  "rejects a watch that is aborted",
  "grants less than was asked for",
  "does not close",
];

const noticed = Object.entries(wrongStores).filter(([name]) => !BEYOND_SEQUENCES.includes(name));

const answersAlike = (world: SubjectWorld) =>
  fc.asyncProperty(sequences, (commands) => runSequence(commands, [world]));

describe("differential", () => {
  test("the model answers through all decorators, and used, as a fresh one", async () => {
    const { world } = createMemoryWorld();
    const clock = createVirtualClock();
    const random = createSeededRandom(1);
    const grouped = createGroupCommitStore(createNamespacedStore(world.store, "n/"), { clock });
    const store = createResolvingStore(grouped, { clock, random });
    await fc.assert(answersAlike({ ...world, store }), { numRuns: 2_000 });
  });

  test.each(noticed)("notices a store that %s", async (_name, change) => {
    const { world } = createMemoryWorld();
    const store: Store = changed(world.store, change);
    const options = { numRuns: 500, endOnFailure: true };
    const { failed } = await fc.check(answersAlike({ ...world, store }), options);
    assert.equal(failed, true);
  });
});

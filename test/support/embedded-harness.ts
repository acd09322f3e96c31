import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { type EmbeddedStore, openEmbeddedStore } from "../../src/store/embedded/index.ts";
import type { Store } from "../../src/store/store.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { createVirtualClock } from "../../src/testing/virtual-clock.ts";
import { ReopeningStore } from "./reopening-store.ts";
import type { ClockedHarness } from "./store-harness.ts";

/** Often enough to fall between any two steps of some case. */
const CALLS_PER_OPENING = 3;

/** A new directory, written by a thread, on the real clock. */
export function openThreadedHarness(): Promise<ClockedHarness> {
  return openHarness(systemClock, (ms) => systemClock.sleep(ms), {
    open: (directory) => openEmbeddedStore({ directory }),
  });
}

/** A new directory, written in this thread, on a virtual clock. */
export function openInlineHarness(): Promise<ClockedHarness> {
  const clock = createVirtualClock();
  const random = createSeededRandom(1);
  return openHarness(clock, (ms) => clock.advance(ms), {
    open: (directory) => openEmbeddedStore({ directory, clock, random, inline: true }),
  });
}

/** The same, closed and opened again in the midst of everything. */
export function openReopeningHarness(): Promise<ClockedHarness> {
  const clock = createVirtualClock();
  const random = createSeededRandom(1);
  return openHarness(clock, (ms) => clock.advance(ms), {
    open: (directory) => openEmbeddedStore({ directory, clock, random, inline: true }),
    wrap: (open) => ReopeningStore.open(open, CALLS_PER_OPENING),
  });
}

interface Opening {
  open(directory: string): Promise<EmbeddedStore>;
  wrap?(open: () => Promise<Store>): Promise<Store>;
}

async function openHarness(
  clock: ClockedHarness["clock"],
  elapse: ClockedHarness["elapse"],
  { open, wrap = (again) => again() }: Opening,
): Promise<ClockedHarness> {
  const directory = await mkdtemp(join(tmpdir(), "etask-store-"));
  const opened: Store[] = [];
  const another = async () => {
    const store = await wrap(() => open(directory));
    opened.push(store);
    return store;
  };
  return {
    store: await another(),
    clock,
    namespaceBytes: 0,
    elapse,
    compact: async (revision) => {
      await using store = await open(directory);
      await store.compact(revision);
    },
    another,
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((store) => store.close()));
      await rm(directory, { recursive: true, force: true });
    },
  };
}

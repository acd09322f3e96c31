import type { Clock } from "../../src/base/clock.ts";
import type { StoreHarness } from "../../src/store/conformance/index.ts";
import { createGroupCommitStore } from "../../src/store/group-commit-store.ts";
import { createMemoryStorage } from "../../src/store/memory/index.ts";
import { createNamespacedStore } from "../../src/store/namespaced-store.ts";
import { createResolvingStore } from "../../src/store/resolving-store.ts";
import type { Store } from "../../src/store/store.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { createVirtualClock } from "../../src/testing/virtual-clock.ts";

/** A driver, bare or wrapped, that every conformance case runs on. */
export interface StoreDriver {
  readonly name: string;
  open(): Promise<StoreHarness>;
}

/** A harness together with the clock that its store lives on. */
export interface ClockedHarness extends StoreHarness {
  readonly clock: Clock;
}

/** A new memory storage on a virtual clock. */
export async function openMemoryHarness(): Promise<ClockedHarness> {
  const clock = createVirtualClock();
  const storage = createMemoryStorage({ clock });
  const store = storage.open();
  return {
    store,
    clock,
    namespaceBytes: 0,
    elapse: (ms) => clock.advance(ms),
    compact: async (revision) => storage.compact(revision),
    another: async () => storage.open(),
    [Symbol.asyncDispose]: () => store.close(),
  };
}

type Decorate = (store: Store, clock: Clock) => Store;

const NAMESPACE = "name space/";

const decorators: Readonly<Record<string, { decorate: Decorate; namespaceBytes?: number }>> = {
  namespaced: {
    decorate: (store) => createNamespacedStore(store, NAMESPACE),
    namespaceBytes: NAMESPACE.length,
  },
  "group commit": { decorate: (store, clock) => createGroupCommitStore(store, { clock }) },
  resolving: {
    decorate: (store, clock) =>
      createResolvingStore(store, { clock, random: createSeededRandom(1) }),
  },
};

/** `open` bare and below each decorator. */
export function withDecorators(
  name: string,
  open: () => Promise<ClockedHarness>,
): readonly StoreDriver[] {
  const wrapped = Object.entries(decorators).map(([title, { decorate, namespaceBytes = 0 }]) => ({
    name: `${name}, ${title}`,
    open: async () => {
      const inner = await open();
      const wrap = (store: Store) => decorate(store, inner.clock);
      const another = async () => wrap(await inner.another());
      return { ...inner, namespaceBytes, store: wrap(inner.store), another };
    },
  }));
  return [{ name, open }, ...wrapped];
}

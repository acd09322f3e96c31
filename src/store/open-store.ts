import { type Clock, systemClock } from "../base/clock.ts";
import { requireKnownKeys } from "../base/options.ts";
import { type Random, systemRandom } from "../base/random.ts";
import { createGroupCommitStore } from "./group-commit-store.ts";
import { createNamespacedStore } from "./namespaced-store.ts";
import { createResolvingStore } from "./resolving-store.ts";
import type { Store } from "./store.ts";
import { parseStoreUrl } from "./store-url.ts";

/** How a store is opened. */
export interface OpenStoreOptions {
  readonly clock?: Clock;
  readonly random?: Random;
  /** The caller is a background thread itself: do not start another one. Default false. */
  readonly inline?: boolean;
}

/**
 * Opens the store at `url` with everything that queue logic expects of it: commits of concurrent
 * callers are grouped, lost answers are resolved, keys are under the URL's namespace.
 *
 * The driver is loaded only when its URL asks for it, so an embedded-only program never loads gRPC.
 *
 * @throws StoreUrlError (`STORE_URL`) for a malformed URL.
 * @throws StoreError when the store cannot be reached, refuses us or must not be used.
 */
export async function openStore(url: string, options: OpenStoreOptions = {}): Promise<Store> {
  requireKnownKeys("openStore", options, ["clock", "random", "inline"]);
  const { clock = systemClock, random = systemRandom } = options;
  const driver = await openDriver(url, options);
  return createGroupCommitStore(createResolvingStore(driver, { clock, random }), { clock });
}

/** Opens the bare driver for `url`, under its namespace. */
async function openDriver(url: string, options: OpenStoreOptions): Promise<Store> {
  const location = parseStoreUrl(url);
  const world = { clock: options.clock ?? systemClock, random: options.random ?? systemRandom };
  switch (location.driver) {
    case "memory": {
      const { openMemoryStore } = await import("./memory/index.ts");
      return openMemoryStore({ clock: world.clock });
    }
    case "embedded": {
      const { openEmbeddedStore } = await import("./embedded/index.ts");
      const { directory } = location;
      return openEmbeddedStore({ ...world, directory, url, inline: options.inline ?? false });
    }
    case "etcd": {
      const { openEtcdStore } = await import("./etcd/index.ts");
      const { driver: _, namespace, ...address } = location;
      const store = await openEtcdStore({ ...world, ...address, url });
      return createNamespacedStore(store, `${namespace}/`);
    }
  }
}

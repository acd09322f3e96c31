import { openEmbeddedStore } from "../../src/store/embedded/index.ts";
import { createMemoryStorage, type MemoryStorage } from "../../src/store/memory/index.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { createVirtualClock } from "../../src/testing/virtual-clock.ts";
import { openStoreOn } from "../support/etcd-harness.ts";
import type { EtcdServer } from "../support/etcd-server.ts";
import type { SubjectWorld } from "./subject.ts";

/** On a virtual clock a lease may be as short as it likes. */
const VIRTUAL_TTL_MS = 2_000;
/** How late the embedded store may be. */
const LATE_MS = 1_000;
/** On the real one it must not expire by itself. */
const REAL_TTL_MS = 600_000;

/** A memory storage as a subject, together with its storage. */
export function createMemoryWorld(): { world: SubjectWorld; storage: MemoryStorage } {
  const clock = createVirtualClock();
  const storage = createMemoryStorage({ clock });
  const world: SubjectWorld = {
    name: "memory",
    store: storage.open(),
    shortTtlMs: VIRTUAL_TTL_MS,
    compact: async (revision) => storage.compact(revision),
    expire: () => clock.advance(VIRTUAL_TTL_MS),
  };
  return { world, storage };
}

/** An embedded store in `directory`, written in this thread, on a virtual clock. */
export async function openEmbeddedWorld(directory: string): Promise<SubjectWorld> {
  const clock = createVirtualClock();
  const random = createSeededRandom(1);
  const store = await openEmbeddedStore({ directory, clock, random, inline: true });
  return {
    name: "embedded",
    store,
    shortTtlMs: VIRTUAL_TTL_MS,
    compact: (revision) => store.compact(revision),
    expire: () => clock.advance(VIRTUAL_TTL_MS + LATE_MS),
  };
}

/** A store on a real etcd, where expiry is played by revoking: it deletes the same keys alike. */
export async function openEtcdWorld(server: EtcdServer): Promise<SubjectWorld> {
  const store = await openStoreOn(server);
  return {
    name: "etcd",
    store,
    shortTtlMs: REAL_TTL_MS,
    compact: (revision) => store.compact(revision),
    expire: (lease) => store.revoke(lease),
  };
}

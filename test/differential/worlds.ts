import { createMemoryStorage, type MemoryStorage } from "../../src/store/memory/index.ts";
import { createVirtualClock } from "../../src/testing/virtual-clock.ts";
import type { SubjectWorld } from "./subject.ts";

/** On a virtual clock a lease may be as short as it likes. */
const VIRTUAL_TTL_MS = 2_000;

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

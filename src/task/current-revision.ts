import { keyRange } from "../store/range.ts";
import type { Revision, Store } from "../store/store.ts";
import { META_KEY } from "./keyspace.ts";

/** The store's newest revision, by the cheapest read there is. */
export async function currentRevision(store: Store): Promise<Revision> {
  return (await store.range(keyRange(META_KEY), { limit: 1 })).revision;
}

/**
 * Reads for those who act on what is missing, or on what a guard does not cover. A read may be
 * older than what is known already, for instance from etcd 3.4.23, and then says nothing.
 */
import { keyRange } from "./range.ts";
import type { Entry, Revision, Store } from "./store.ts";
import { StoreUnavailableError } from "./store-errors.ts";

/**
 * The entry at `key` as of `since` or later.
 *
 * @throws StoreUnavailableError (`STORE_UNAVAILABLE`) when the store shows an earlier revision;
 *   try again.
 */
export async function getSince(
  store: Store,
  key: string,
  since: Revision,
): Promise<Entry | undefined> {
  const { entries, revision } = await store.range(keyRange(key), { limit: 1 });
  requireSince(since, revision);
  return entries[0];
}

/** @throws StoreUnavailableError (`STORE_UNAVAILABLE`) when a read is older than `since`. */
export function requireSince(since: Revision, readAt: Revision): void {
  if (readAt >= since) return;
  throw new StoreUnavailableError(
    `A read showed the store as of revision ${readAt}, and it had been at ${since} before.`,
    "no",
  );
}

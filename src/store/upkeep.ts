import type { Revision } from "./store.ts";

/**
 * What a store that does not look after its own space lets its clients do for it. A store without
 * it keeps its history short by itself and has no quota but the disk.
 *
 * It is about the whole store, also what lies outside of a namespace.
 */
export interface StoreUpkeep {
  /**
   * Gives up the history below `revision`: reads and watches from before it throw
   * `HISTORY_LOST`. Repeating it, or going back, does nothing.
   */
  compact(revision: Revision): Promise<void>;

  /** How full the store is; `undefined` when it has no quota. */
  usage(): Promise<StoreUsage | undefined>;
}

/** How full a store is; of several servers, the one that is nearest to its quota. */
export interface StoreUsage {
  /** What records and history take. Falls when they go and the history is compacted. */
  readonly usedBytes: number;
  /** What the file has grown to. Free space in it is used again, so it may stay at its highest. */
  readonly fileBytes: number;
  /** Where writes are refused. */
  readonly quotaBytes: number;
}

/** How much of its quota a store uses, from 0. */
export function usedShare({ usedBytes, quotaBytes }: StoreUsage): number {
  return usedBytes / quotaBytes;
}

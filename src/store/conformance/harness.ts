import type { Revision, Store } from "../store.ts";

/**
 * A driver under test, with an empty store of its own for each case.
 *
 * The store may begin at any revision and may share its revisions with keys that it cannot see.
 */
export interface StoreHarness extends AsyncDisposable {
  readonly store: Store;
  /** How many characters a namespace puts before each key; they count against the limits. */
  readonly namespaceBytes: number;
  /** Lets time pass for the store: really, or on the clock that was injected. */
  elapse(ms: number): Promise<void>;
  /** Makes the store forget its history below `revision`. */
  compact(revision: Revision): Promise<void>;
  /** Another client of the same data; closed together with the harness. */
  another(): Promise<Store>;
}

/** Cases by name. They are data and import no test runner, so that anything can run them. */
export type StoreCases = Readonly<Record<string, (harness: StoreHarness) => Promise<void>>>;

import { systemClock } from "../src/base/clock.ts";
import { prefixRange } from "../src/store/range.ts";
import type { Revision, Store, WatchBatch, WatchEvent } from "../src/store/store.ts";
import { isDamaged } from "./record-faults.ts";

/** One revision, without records that were damaged on purpose, and when it was seen. */
export interface Recorded extends WatchBatch {
  /** On the monotonic clock. */
  readonly at: number;
  /** On the machine's wall clock. */
  readonly wall: number;
}

/**
 * Records all that happens in a store, from its first revision on, over a connection that no fault
 * touches. It follows while the run goes on, so the store may be compacted up to where it is.
 */
export class Recorder {
  readonly history: Recorded[] = [];
  readonly #store: Store;
  readonly #ending = new AbortController();
  readonly #running: Promise<void>;
  #onRevision: (recorded: Recorded) => void = () => {};
  #position: Revision = 0;
  #failure: unknown;

  constructor(store: Store) {
    this.#store = store;
    this.#running = this.#record().catch((error: unknown) => {
      if (!this.#ending.signal.aborted) this.#failure = error;
    });
  }

  /** All that happened up to here is recorded. */
  get position(): Revision {
    return this.#position;
  }

  /** Why it records no more, if so. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Calls `action` with all that is recorded, and with whatever comes. */
  follow(action: (recorded: Recorded) => void): void {
    for (const recorded of this.history) action(recorded);
    this.#onRevision = action;
  }

  /** Resolves when what the store holds now is recorded; false when that takes too long. */
  async caughtUp(waitMs: number): Promise<boolean> {
    const until = systemClock.monotonic() + waitMs;
    const { revision } = await this.#store.range(prefixRange(""), { limit: 1 });
    const last = await this.#lastChange(revision);
    while (this.#position < last && this.#failure === undefined) {
      if (systemClock.monotonic() > until) return false;
      await systemClock.sleep(20);
    }
    return this.#failure === undefined;
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  /** The newest revision of any key that exists: revisions beside our keys are not seen. */
  async #lastChange(revision: Revision): Promise<Revision> {
    let last = 0;
    for (let start = ""; ; ) {
      const { end } = prefixRange("");
      const page = await this.#store.range({ start, end }, { revision });
      for (const { key, modRevision } of page.entries) {
        if (!isDamaged(key)) last = Math.max(last, modRevision);
      }
      const key = page.entries.at(-1)?.key;
      if (!page.more || key === undefined) return last;
      start = `${key}\0`;
    }
  }

  async #record(): Promise<void> {
    const { signal } = this.#ending;
    for await (const batch of this.#store.watch(prefixRange(""), { after: 0, signal })) {
      const times = { at: systemClock.monotonic(), wall: systemClock.now() };
      const ours = batch.events.filter(({ key }) => !isDamaged(key));
      for (const events of byRevision(ours)) {
        const revision = events[0]?.modRevision ?? batch.revision;
        const recorded = { revision, events, ...times };
        this.history.push(recorded);
        this.#onRevision(recorded);
      }
      this.#position = Math.max(this.#position, batch.revision);
    }
  }
}

function byRevision(events: readonly WatchEvent[]): WatchEvent[][] {
  const groups: WatchEvent[][] = [];
  for (const event of events) {
    const group = groups.at(-1);
    if (group?.[0]?.modRevision === event.modRevision) group.push(event);
    else groups.push([event]);
  }
  return groups;
}

/**
 * Keeps the window of one shard up to date while this worker prefers the shard.
 *
 * It scans the head of the shard, then watches the shard from a revision before that scan. When the
 * window runs low and more lies beyond its horizon, `refill` scans on. Entries of kinds that this
 * worker does not know are passed over and left for a worker that does; entries that are not ours
 * or damaged are reported and passed over.
 *
 * Scan and watch overtake each other. What is put beyond the horizon while a scan is under way may
 * be missing from its pages, so the horizon moves no further than that. What a scan saw and the
 * watch already deleted is a stale entry, which the window may hold.
 *
 * Every 30 s the shard is scanned afresh: old etcd versions can lose a watch event, and a task
 * whose event was lost must not wait for ever. A scan that was begun before is then worth nothing.
 * When the store is away the loop above starts this again; a `refill` that fails is called for
 * again.
 */

import { publish } from "../base/events.ts";
import type { LoopWorld } from "../base/loop.ts";
import { readReady } from "../broker/read-ready.ts";
import { ReadyScan } from "../broker/ready-scan.ts";
import { ReadyWindow } from "../broker/ready-window.ts";
import type { ReadyEntry } from "../broker/take.ts";
import { prefixRange } from "../store/range.ts";
import type { Entry, Store, WatchEvent } from "../store/store.ts";
import { HistoryLostError } from "../store/store-errors.ts";
import { currentRevision } from "../task/current-revision.ts";
import { shardPrefix } from "../task/keyspace.ts";

const RESCAN_MS = 30_000;
const RETRY_MS = 500;

/** What a follower works with. */
export interface ShardWorld {
  readonly store: Store;
  readonly world: LoopWorld;
  /** Whether this worker can run tasks of that kind. */
  knows(entry: ReadyEntry): boolean;
  /** Called when there may be more to take. */
  changed(): void;
  readonly capacity: number;
}

/** See the essay above. */
export class ShardFollower {
  readonly queue: string;
  readonly window: ReadyWindow;
  readonly #with: ShardWorld;
  readonly #scan: ReadyScan;
  #scanning: Promise<void> | undefined;
  /** Grows with each fresh start; a scan of an earlier one is void. */
  #round = 0;
  /** The smallest key put beyond the horizon since the scan under way began. */
  #putBeyond: string | undefined;
  #retryDue = false;

  constructor(world: ShardWorld, queue: string, shard: number) {
    const range = prefixRange(shardPrefix(queue, shard));
    this.#with = world;
    this.queue = queue;
    this.window = new ReadyWindow(range, world.capacity);
    this.#scan = new ReadyScan(world.store, range);
  }

  /** Follows until `signal` aborts; throws what the store throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { store, world } = this.#with;
    const { range } = this.window;
    while (!signal.aborted) {
      const round = new AbortController();
      const cancel = world.clock.after(RESCAN_MS * (1 + world.random.next()), () => round.abort());
      try {
        const after = await currentRevision(store);
        this.#restart();
        await this.refill();
        const ends = AbortSignal.any([signal, round.signal]);
        for await (const { events } of store.watch(range, { after, signal: ends })) {
          for (const event of events) this.#apply(event);
          if (events.length > 0) this.#with.changed();
        }
      } catch (error) {
        if (!(error instanceof HistoryLostError)) throw error;
        publish("etask:watch:relisted", { range: range.start, reason: error.message });
      } finally {
        cancel();
      }
    }
  }

  /** Reads on beyond the horizon, unless the window is complete or well filled. */
  refill(): Promise<void> {
    // What is read before the watch has a revision to begin at would be read once more.
    const begun = this.#round > 0;
    if (!begun || this.window.complete || this.window.size * 2 >= this.#with.capacity) {
      return Promise.resolve();
    }
    if (this.#scanning) return this.#scanning;
    const scanning = this.#readOn(this.#round).finally(() => {
      if (this.#scanning === scanning) this.#scanning = undefined;
    });
    this.#scanning = scanning;
    return scanning;
  }

  /** Refills without anybody waiting for it; after a failure `changed` is called to ask again. */
  refillSoon(): void {
    this.refill().catch(() => {
      if (this.#retryDue) return;
      this.#retryDue = true;
      this.#with.world.clock.after(RETRY_MS, () => {
        this.#retryDue = false;
        this.#with.changed();
      });
    });
  }

  #restart(): void {
    this.#round += 1;
    this.#scanning = undefined;
    this.window.restart();
  }

  async #readOn(round: number): Promise<void> {
    const { horizon } = this.window;
    this.#putBeyond = undefined;
    const page = await this.#scan.next(horizon, this.#with.capacity - this.window.size);
    // What was read joins on to nothing when the window began anew or had to forget its end.
    if (this.#round === round && this.window.horizon === horizon) {
      this.window.extend(firstOf(page.horizon, this.#putBeyond));
      for (const entry of page.entries) this.#insert(entry);
    }
    this.#with.changed();
  }

  #apply(event: WatchEvent): void {
    if (event.type === "delete") this.window.remove(event.key, event.modRevision);
    else this.#insert(event.entry);
  }

  #insert(entry: Entry): void {
    if (!this.window.wants(entry)) {
      if (entry.key >= this.window.horizon) this.#noteBeyond(entry.key);
      return;
    }
    const ready = readReady(entry);
    if (ready && this.#with.knows(ready)) this.window.insert(ready);
  }

  #noteBeyond(key: string): void {
    if (this.#putBeyond === undefined || key < this.#putBeyond) this.#putBeyond = key;
  }
}

function firstOf(key: string, other: string | undefined): string {
  return other !== undefined && other < key ? other : key;
}

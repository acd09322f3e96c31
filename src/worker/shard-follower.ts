/**
 * Keeps the window of one shard up to date while this worker prefers the shard.
 *
 * It scans the head of the shard, then watches the shard from the revision of that scan. When the
 * window runs low and more lies beyond its horizon, `refill` scans on. A change beyond the horizon may
 * arrive while a scan that does not see it is still under way, so the changes of that time are applied
 * once more to what was read. Entries of kinds that this
 * worker does not know are passed over and left for a worker that does; entries that are not ours or
 * damaged are reported and passed over.
 *
 * Every 30 s the shard is scanned afresh: old etcd versions can lose a watch event, and a task whose
 * event was lost must not wait for ever. When the store is away the loop above starts this again.
 */
import { publish } from "../base/events.ts";
import type { LoopWorld } from "../base/loop.ts";
import { readReady } from "../broker/read-ready.ts";
import { ReadyScan } from "../broker/ready-scan.ts";
import { ReadyWindow } from "../broker/ready-window.ts";
import type { ReadyEntry } from "../broker/take.ts";
import { keyRange, prefixRange } from "../store/range.ts";
import type { Entry, Store, WatchEvent } from "../store/store.ts";
import { HistoryLostError } from "../store/store-errors.ts";
import { META_KEY, shardPrefix } from "../task/keyspace.ts";

const RESCAN_MS = 30_000;
const LATE_MAX = 4_096;

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
  readonly window: ReadyWindow;
  readonly #with: ShardWorld;
  readonly #scan: ReadyScan;
  #scanning: Promise<void> | undefined;
  /** Events since the scan under way began. */
  #late: WatchEvent[] | undefined;
  #round = 0;

  constructor(world: ShardWorld, queue: string, shard: number) {
    const range = prefixRange(shardPrefix(queue, shard));
    this.#with = world;
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
        this.#round += 1;
        this.window.restart();
        const after = (await store.range(keyRange(META_KEY), { limit: 1 })).revision;
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
    if (this.window.complete || this.window.size * 2 >= this.#with.capacity) {
      return Promise.resolve();
    }
    this.#scanning ??= this.#readOn().finally(() => {
      this.#scanning = undefined;
    });
    return this.#scanning;
  }

  async #readOn(): Promise<void> {
    const { horizon } = this.window;
    const round = this.#round;
    const late: WatchEvent[] = [];
    this.#late = late;
    try {
      const page = await this.#scan.next(horizon, this.#with.capacity - this.window.size);
      // What was read must join on to the window as it is now, and no event may have been forgotten.
      const joins = round === this.#round && this.window.horizon === horizon;
      if (!joins || late.length > LATE_MAX) return;
      this.window.extend(page.horizon);
      for (const entry of page.entries) this.#insert(entry);
      for (const event of late) this.#update(event);
    } finally {
      this.#late = undefined;
      this.#with.changed();
    }
  }

  #apply(event: WatchEvent): void {
    if (this.#late && this.#late.length <= LATE_MAX) this.#late.push(event);
    this.#update(event);
  }

  #update(event: WatchEvent): void {
    if (event.type === "delete") this.window.remove(event.key);
    else this.#insert(event.entry);
  }

  #insert(entry: Entry): void {
    if (!this.window.wants(entry.key)) return;
    const ready = readReady(entry);
    if (ready && this.#with.knows(ready)) this.window.insert(ready);
  }
}

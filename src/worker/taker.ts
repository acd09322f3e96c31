/**
 * Takes tasks, as many as there are free slots, and hands them to the executor.
 *
 * What to take comes from the windows of the shards that this worker prefers, merged into one order:
 * priority first, then age. So one worker alone sees strict priority and order of enqueueing. Takes are
 * committed in batches, a few under way at once; slots are occupied before a take is sent and freed
 * for each task that somebody else got.
 *
 * When all its windows are empty and slots are free, the worker looks at one other shard of its
 * queues, chosen at random, and takes a few from its head: a steal. Steals come at a pace that slows
 * down from {@link STEAL_MS_MIN} to {@link STEAL_MS_MAX} while they find nothing, so idle workers are
 * quiet.
 *
 * A take is guarded by the worker's session, so after the session is lost nothing more is taken. A take
 * whose answer was lost is sent again until the answer is known, or until the session is lost: then
 * whatever was taken after all is found under `hand/` by a rescuer, as it is when the process dies
 * between the commit and the first call of a handler.
 */
import type { LoopWorld } from "../base/loop.ts";
import { Wakeup } from "../base/wakeup.ts";
import { commitUntilKnown } from "../broker/hold.ts";
import { readReady } from "../broker/read-ready.ts";
import { type ReadyEntry, takeBatch } from "../broker/take.ts";
import type { Session } from "../coordination/session.ts";
import { prefixRange } from "../store/range.ts";
import type { Store } from "../store/store.ts";
import type { Attempt } from "../task/attempt.ts";
import { readyOrder, shardPrefix } from "../task/keyspace.ts";
import type { Hands } from "./hands.ts";
import type { ShardFollower } from "./shard-follower.ts";
import type { Slots } from "./slots.ts";

const BATCH_MAX = 64;
const TAKES_IN_FLIGHT = 3;
const STEAL_MS_MIN = 100;
const STEAL_MS_MAX = 2_000;
const STEAL_MAX = 8;

/** A shard of one of the worker's queues. */
export interface ShardName {
  readonly queue: string;
  readonly shard: number;
}

/** What a taker works with. */
export interface TakerWorld {
  readonly store: Store;
  readonly world: LoopWorld;
  readonly worker: string;
  readonly session: Session;
  readonly slots: Slots;
  readonly hands: Hands;
  /** The followers of the shards that this worker prefers now. */
  followers(): Iterable<ShardFollower>;
  /** The shards of its queues that it does not prefer now. */
  others(): readonly ShardName[];
  knows(entry: ReadyEntry): boolean;
  /** Runs a taken task and records its outcome; says when the handler has ended. Never rejects. */
  run(attempt: Attempt, handlerEnded: () => void): Promise<void>;
}

/** See the essay above. */
export class Taker {
  readonly #with: TakerWorld;
  readonly #wakeup = new Wakeup();
  readonly #takes = new Set<Promise<void>>();
  #stealMs = STEAL_MS_MIN;
  #stealAt = 0;

  constructor(world: TakerWorld) {
    this.#with = world;
  }

  /** Says that there may be something to take or a free slot. */
  ring(): void {
    this.#wakeup.ring();
  }

  /** Takes until `signal` aborts, then waits for the takes under way. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        if (this.#takes.size < TAKES_IN_FLIGHT && this.#with.slots.free > 0)
          await this.#fill(signal);
        await this.#wakeup.wait(signal);
      }
    } finally {
      await Promise.all(this.#takes);
    }
  }

  /** Starts as many takes as slots and windows allow. */
  async #fill(signal: AbortSignal): Promise<void> {
    for (const follower of this.#with.followers()) {
      // It rings when it has read on, or when that is to be tried again.
      follower.refillSoon();
    }
    while (this.#takes.size < TAKES_IN_FLIGHT) {
      const entries = this.#pick(Math.min(this.#with.slots.free, BATCH_MAX));
      if (entries.length === 0) break;
      this.#take(entries);
    }
    if (this.#with.slots.free > 0 && this.#takes.size === 0) await this.#steal(signal);
  }

  /** The first entries of all windows in taking order, taken out of them. */
  #pick(count: number): Picked[] {
    const picked: Picked[] = [];
    const windows = [...this.#with.followers()].map((follower) => follower.window);
    while (picked.length < count) {
      let best: (typeof windows)[number] | undefined;
      let bestOrder = "";
      for (const window of windows) {
        if (!window.head) continue;
        const order = readyOrder(window.head.key);
        if (best === undefined || order < bestOrder) {
          best = window;
          bestOrder = order;
        }
      }
      const entry = best?.takeHead();
      if (!best || !entry) break;
      const window = best;
      picked.push({ entry, putBack: () => window.putBack(entry) });
    }
    return picked;
  }

  #take(picked: readonly Picked[]): void {
    const { slots } = this.#with;
    slots.occupy(picked.length);
    const take = this.#commit(picked.map(({ entry }) => entry))
      .then((attempts) => {
        slots.release(picked.length - attempts.length);
        for (const attempt of attempts) this.#start(attempt);
      })
      .catch(() => {
        for (const { putBack } of picked) putBack();
        slots.release(picked.length);
      })
      .finally(() => {
        this.#takes.delete(take);
        this.ring();
      });
    this.#takes.add(take);
  }

  async #commit(entries: readonly ReadyEntry[]): Promise<Attempt[]> {
    const { store, world, worker, session, hands } = this.#with;
    const batch = hands.begin();
    const taker = { worker, alive: session.alive() };
    const { parts, attempts } = takeBatch(taker, batch, entries, world.clock.now());
    const taken = attempts(await commitUntilKnown(store, parts, world, session.lost));
    const rest = hands.taken(batch, taken.length);
    if (rest.length > 0) store.commit(rest).catch(() => {});
    return taken;
  }

  #start(attempt: Attempt): void {
    const { slots, run } = this.#with;
    run(attempt, () => slots.handlerEnded()).finally(() => slots.recorded());
  }

  async #steal(signal: AbortSignal): Promise<void> {
    const { store, world, slots, knows } = this.#with;
    const others = this.#with.others();
    const waitMs = this.#stealAt - world.clock.monotonic();
    if (others.length === 0) return;
    if (waitMs > 0) {
      this.#ringAfter(waitMs);
      return;
    }
    const start = Math.floor(world.random.next() * others.length);
    let found = 0;
    for (let index = 0; index < others.length && found === 0 && !signal.aborted; index += 1) {
      const { queue, shard } = others[(start + index) % others.length] as ShardName;
      const limit = Math.min(slots.free, STEAL_MAX);
      if (limit === 0) break;
      const page = await store.range(prefixRange(shardPrefix(queue, shard)), { limit });
      const entries = page.entries.map(readReady).filter((entry) => entry !== undefined);
      const mine = entries.filter(knows).slice(0, slots.free);
      found = mine.length;
      if (found > 0) this.#take(mine.map((entry) => ({ entry, putBack: () => {} })));
    }
    this.#stealMs = found > 0 ? STEAL_MS_MIN : Math.min(STEAL_MS_MAX, this.#stealMs * 1.5);
    const jittered = this.#stealMs * (0.5 + world.random.next());
    this.#stealAt = world.clock.monotonic() + jittered;
    this.#ringAfter(jittered);
  }

  #ringAfter(ms: number): void {
    this.#with.world.clock.after(ms, () => this.ring());
  }
}

interface Picked {
  readonly entry: ReadyEntry;
  putBack(): void;
}

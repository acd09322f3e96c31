/**
 * Takes tasks, as many as there are free slots, and hands them to the executor.
 *
 * What to take comes from the windows of the shards that this worker prefers, merged into one
 * order: priority first, then age. Nothing is taken that something in a part of a shard not yet
 * read might go before. So one worker alone sees strict priority and order of enqueueing. Takes are
 * committed in batches, a few under way at once; slots are occupied before a take is sent and freed
 * for each task that somebody else got.
 *
 * When all its windows are empty and slots are free, the worker looks at one other shard of its
 * queues, chosen at random, and takes a few from its head: a steal. A steal that finds only what
 * this worker cannot run goes on from there the next time. Steals come at a pace that slows down
 * from {@link STEAL_MS_MIN} to {@link STEAL_MS_MAX} while they find nothing, so idle workers are
 * quiet.
 *
 * A queue that is paused, or of which this worker runs as much as it may, is passed over as if it
 * were not there. Of a queue with strict order this worker follows all shards, so there is nothing
 * to steal, and it has one take under way at a time, because takes can overtake each other. A take
 * that is refused because the settings of its queue had changed is put back into its window, and
 * the settings are noted.
 *
 * A take is guarded by the worker's session, so after the session is lost nothing more is taken. A
 * take whose answer was lost is sent again until the answer is known, or until the session is lost:
 * then whatever was taken after all is found under `hand/` by a rescuer, as it is when the process
 * dies between the commit and the first call of a handler. A take that fails for another reason is
 * put back into the windows, after a pause.
 */
import type { CancelTimer } from "../base/clock.ts";
import { publish } from "../base/events.ts";
import { type LoopWorld, pause } from "../base/loop.ts";
import { Wakeup } from "../base/wakeup.ts";
import { commitUntilKnown } from "../broker/hold.ts";
import { readReady } from "../broker/read-ready.ts";
import type { ReadyWindow } from "../broker/ready-window.ts";
import { type HeldBack, isTooLate, type ReadyEntry, takeBatch } from "../broker/take.ts";
import type { Session } from "../coordination/session.ts";
import { afterKey, prefixRange } from "../store/range.ts";
import type { Store } from "../store/store.ts";
import type { Attempt } from "../task/attempt.ts";
import { shardPrefix } from "../task/keyspace.ts";
import type { Hands } from "./hands.ts";
import type { QueueSettings } from "./queue-settings.ts";
import { QueueUsage } from "./queue-usage.ts";
import type { ShardFollower } from "./shard-follower.ts";
import type { Slots } from "./slots.ts";

const BATCH_MAX = 64;
const TAKES_IN_FLIGHT = 3;
const STEAL_MS_MIN = 100;
const STEAL_MS_MAX = 2_000;
const STEAL_MAX = 8;
const STEAL_READS = 64;
const FAILED_PAUSE_MS = 1_000;

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
  readonly usage: QueueUsage;
  readonly settings: QueueSettings;
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
  /** The queues of the takes under way, as often as takes name them. */
  readonly #taking = new QueueUsage();
  /** Where the next steal from a shard begins, when the last one found only what others can run. */
  readonly #stealFrom = new Map<string, string>();
  #stealMs = STEAL_MS_MIN;
  #stealAt = 0;
  #cancelRing: CancelTimer = () => {};

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
        const room = this.#takes.size < TAKES_IN_FLIGHT && this.#with.slots.free > 0;
        if (room && this.#with.settings.known) await this.#fill(signal);
        await this.#wakeup.wait(signal);
      }
    } finally {
      this.#cancelRing();
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
      this.#take(entries, signal);
    }
    if (this.#with.slots.free > 0 && this.#takes.size === 0) await this.#steal(signal);
  }

  /** How many more tasks of the queue may be taken now. */
  #room(queue: string): number {
    const { record } = this.#with.settings.of(queue);
    if (record.paused) return 0;
    if (record.order === "strict" && this.#taking.used(queue) > 0) return 0;
    return (record.concurrency ?? Number.POSITIVE_INFINITY) - this.#with.usage.used(queue);
  }

  /** The first entries of all windows in taking order, taken out of them. */
  #pick(count: number): Picked[] {
    const rooms = new Map<string, number>();
    const room = (queue: string) => rooms.get(queue) ?? this.#room(queue);
    const followers = [...this.#with.followers()];
    const open = () =>
      followers.filter(({ queue }) => room(queue) > 0).map((follower) => follower.window);
    let windows = open();
    const picked = new Map<string, Picked>();
    const now = this.#with.world.clock.now();
    while (picked.size < count) {
      const window = firstInOrder(windows);
      const entry = window?.takeHead();
      if (!window || !entry) break;
      if (isTooLate(entry, now)) continue;
      const putBack = () => window.putBack(entry);
      // A task that was moved may be seen at both places for a moment; one commit takes it once.
      if (picked.has(entry.record.id)) {
        putBack();
        break;
      }
      picked.set(entry.record.id, { entry, putBack });
      const { queue } = entry.position;
      rooms.set(queue, room(queue) - 1);
      if (room(queue) <= 0) windows = open();
    }
    return [...picked.values()];
  }

  #take(picked: readonly Picked[], signal: AbortSignal): void {
    const { slots, usage, world } = this.#with;
    const queues = picked.map(({ entry }) => entry.position.queue);
    slots.occupy(picked.length);
    for (const queue of queues) {
      usage.occupy(queue);
      this.#taking.occupy(queue);
    }
    const take = this.#commit(picked)
      .then((attempts) => {
        const kept = new Set(attempts.map(({ id }) => id));
        for (const { entry } of picked) {
          if (!kept.has(entry.record.id)) usage.release(entry.position.queue);
        }
        slots.release(picked.length - attempts.length);
        for (const attempt of attempts) this.#start(attempt);
      })
      .catch(async (error: unknown) => {
        publish("etask:loop:failed", { loop: "taker", error });
        await pause(world, FAILED_PAUSE_MS, signal);
        for (const { putBack } of picked) putBack();
        for (const queue of queues) usage.release(queue);
        slots.release(picked.length);
      })
      .finally(() => {
        for (const queue of queues) this.#taking.release(queue);
        this.#takes.delete(take);
        this.ring();
      });
    this.#takes.add(take);
  }

  async #commit(picked: readonly Picked[]): Promise<Attempt[]> {
    const { store, world, worker, session, hands, settings } = this.#with;
    const batch = hands.begin();
    const settingsRevision = (queue: string) => settings.of(queue).revision;
    const taker = { worker, alive: session.alive(), settingsRevision };
    const entries = picked.map(({ entry }) => entry);
    const take = takeBatch(taker, batch, entries, world.clock.now());
    const results = await commitUntilKnown(store, take.parts, world, session.lost);
    const taken = take.attempts(results);
    const rest = hands.taken(batch, taken.length);
    if (rest.length > 0) store.commit(rest).catch(() => {});
    this.#putBack(picked, take.heldBack(results));
    return taken;
  }

  #putBack(picked: readonly Picked[], heldBack: readonly HeldBack[]): void {
    for (const { entry, settings, revision } of heldBack) {
      this.#with.settings.note(entry.position.queue, settings, revision);
      picked.find((each) => each.entry === entry)?.putBack();
    }
  }

  #start(attempt: Attempt): void {
    const { slots, usage, run } = this.#with;
    const handlerEnded = () => {
      usage.release(attempt.position.queue);
      slots.handlerEnded();
    };
    run(attempt, handlerEnded).finally(() => slots.recorded());
  }

  async #steal(signal: AbortSignal): Promise<void> {
    const { world, slots } = this.#with;
    const others = this.#with.others().filter(({ queue }) => this.#room(queue) > 0);
    const waitMs = this.#stealAt - world.clock.monotonic();
    if (others.length === 0) return;
    if (waitMs > 0) {
      this.#ringAfter(waitMs);
      return;
    }
    const start = Math.floor(world.random.next() * others.length);
    let found = 0;
    for (let index = 0; index < others.length && found === 0 && !signal.aborted; index += 1) {
      const shard = others[(start + index) % others.length] as ShardName;
      const stealable = await this.#stealable(shard);
      const most = Math.min(slots.free, STEAL_MAX, this.#room(shard.queue));
      const mine = stealable.slice(0, Math.max(0, most));
      found = mine.length;
      if (found > 0) this.#take(mine, signal);
    }
    this.#stealMs = found > 0 ? STEAL_MS_MIN : Math.min(STEAL_MS_MAX, this.#stealMs * 1.5);
    const jittered = this.#stealMs * (0.5 + world.random.next());
    this.#stealAt = world.clock.monotonic() + jittered;
    this.#ringAfter(jittered);
  }

  /** What this worker can run of the next entries of a shard that it does not follow. */
  async #stealable({ queue, shard }: ShardName): Promise<Picked[]> {
    const prefix = shardPrefix(queue, shard);
    const { start: first, end } = prefixRange(prefix);
    const start = this.#stealFrom.get(prefix) ?? first;
    const { entries, more } = await this.#with.store.range({ start, end }, { limit: STEAL_READS });
    const mine = new Map<string, Picked>();
    const now = this.#with.world.clock.now();
    for (const entry of entries) {
      const ready = readReady(entry);
      if (!ready || !this.#with.knows(ready) || isTooLate(ready, now)) continue;
      mine.set(ready.record.id, { entry: ready, putBack: () => {} });
    }
    const last = entries.at(-1);
    if (mine.size === 0 && more && last) this.#stealFrom.set(prefix, afterKey(last.key));
    else this.#stealFrom.delete(prefix);
    return [...mine.values()];
  }

  /** One timer at a time: each that fires may ask for the next. */
  #ringAfter(ms: number): void {
    this.#cancelRing();
    this.#cancelRing = this.#with.world.clock.after(ms, () => this.ring());
  }
}

/** The window with the first entry in taking order, if that is known to be the first one. */
function firstInOrder(windows: readonly ReadyWindow[]): ReadyWindow | undefined {
  let best: ReadyWindow | undefined;
  let bestOrder: string | undefined;
  let knownBefore: string | undefined;
  for (const window of windows) {
    const order = window.headOrder;
    if (order !== undefined && (bestOrder === undefined || order < bestOrder)) {
      best = window;
      bestOrder = order;
    }
    const known = window.knownBefore;
    if (known !== undefined && (knownBefore === undefined || known < knownBefore)) {
      knownBefore = known;
    }
  }
  if (bestOrder === undefined) return undefined;
  return knownBefore === undefined || bestOrder < knownBefore ? best : undefined;
}

interface Picked {
  readonly entry: ReadyEntry;
  putBack(): void;
}

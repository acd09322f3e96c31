/**
 * Takes tasks, as many as there are free slots, and hands them to the executor.
 *
 * What to take comes from the windows of the shards that this worker prefers (see `picker.ts`): one
 * worker alone sees strict priority and order of enqueueing. Takes are committed in batches, a few
 * under way at once; slots are occupied before a take is sent and freed for each task that somebody
 * else got.
 *
 * When all its windows are empty and slots are free, the worker looks at one other shard of its
 * queues, chosen at random, and takes a few from its head: a steal. A steal that finds only what
 * this worker cannot run goes on from there the next time. Steals come at a pace that slows down
 * from {@link STEAL_MS_MIN} to {@link STEAL_MS_MAX} while they find nothing, so idle workers are
 * quiet.
 *
 * Idle tasks are taken last: after the windows and a steal, when one was due, had nothing else.
 * When other tasks wait and have no place, idle tasks that can be given back are, one for each;
 * while such tasks run, steals go on even with all slots in use.
 *
 * Of a queue with strict order this worker follows all shards, so there is nothing to steal, and it
 * has one take under way at a time, because takes can overtake each other. A take that is refused
 * because the settings of its queue had changed is put back into its window, and the settings are
 * noted.
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
import { type HeldBack, isTooLate, type ReadyEntry, takeBatch } from "../broker/take.ts";
import type { Session } from "../coordination/session.ts";
import { afterKey, prefixRange } from "../store/range.ts";
import type { Store } from "../store/store.ts";
import type { Attempt } from "../task/attempt.ts";
import { shardPrefix } from "../task/keyspace.ts";
import type { Hands } from "./hands.ts";
import { type Picked, Picker, type PickerWorld, type Pressure } from "./picker.ts";
import { QueueUsage } from "./queue-usage.ts";

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
export interface TakerWorld extends PickerWorld {
  readonly store: Store;
  readonly world: LoopWorld;
  readonly worker: string;
  readonly session: Session;
  readonly hands: Hands;
  /** The shards of its queues that it does not prefer now. */
  others(): readonly ShardName[];
  knows(entry: ReadyEntry): boolean;
  /** Whether idle tasks run that can be given back. */
  canPreempt(): boolean;
  /** Gives idle tasks back, so many that those have a place. */
  preempt(pressure: Pressure): void;
  /** Runs a taken task and records its outcome; says when the handler has ended. Never rejects. */
  run(attempt: Attempt, handlerEnded: () => void): Promise<void>;
}

/** See the essay above. */
export class Taker {
  readonly #with: TakerWorld;
  readonly #wakeup = new Wakeup();
  readonly #takes = new Set<Promise<void>>();
  readonly #taking = new QueueUsage();
  readonly #picker: Picker;
  /** Takes under way of tasks that are not idle. */
  #urgentTakes = 0;
  /** Where the next steal from a shard begins, when the last one found only what others can run. */
  readonly #stealFrom = new Map<string, string>();
  #stealMs = STEAL_MS_MIN;
  #stealAt = 0;
  #cancelRing: CancelTimer = () => {};

  constructor(world: TakerWorld) {
    this.#with = world;
    this.#picker = new Picker(world, this.#taking);
  }

  /** Whether more slots would let more tasks run. */
  get wantsSlots(): boolean {
    return this.#with.settings.known && this.#picker.wantsSlots;
  }

  /** Says that there may be something to take or a free slot. */
  ring(): void {
    this.#wakeup.ring();
  }

  /** Takes until `signal` aborts, then waits for the takes under way. */
  async run(signal: AbortSignal): Promise<void> {
    const { settings, slots } = this.#with;
    try {
      while (!signal.aborted) {
        const room = slots.free > 0 || this.#with.canPreempt();
        if (settings.known && room && this.#takes.size < TAKES_IN_FLIGHT) await this.#fill(signal);
        if (settings.known && this.#with.canPreempt()) {
          for (const pressure of this.#picker.pressures()) this.#with.preempt(pressure);
        }
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
    this.#takeFromWindows(false, signal);
    if (this.#urgentTakes === 0) await this.#steal(signal);
    if (this.#with.hasRoom()) this.#takeFromWindows(true, signal);
  }

  #takeFromWindows(withIdle: boolean, signal: AbortSignal): void {
    const { slots, world } = this.#with;
    while (this.#takes.size < TAKES_IN_FLIGHT && !signal.aborted) {
      const count = Math.min(slots.free, BATCH_MAX);
      const entries = this.#picker.pick(count, world.clock.now(), withIdle);
      if (entries.length === 0) break;
      this.#take(entries, signal);
    }
  }

  #take(picked: readonly Picked[], signal: AbortSignal): void {
    const { slots, usage, world } = this.#with;
    const queues = picked.map(({ entry }) => entry.position.queue);
    const urgent = picked.some(({ entry }) => !entry.position.idle) ? 1 : 0;
    this.#urgentTakes += urgent;
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
        this.#urgentTakes -= urgent;
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
    const { world } = this.#with;
    const others = this.#with.others().filter(({ queue }) => this.#picker.room(queue) > 0);
    const waitMs = this.#stealAt - world.clock.monotonic();
    if (others.length === 0) return;
    if (waitMs > 0) {
      this.#ringAfter(waitMs);
      return;
    }
    const start = Math.floor(world.random.next() * others.length);
    let found = 0;
    let idle: readonly Picked[] = [];
    for (let index = 0; index < others.length && found === 0 && !signal.aborted; index += 1) {
      const shard = others[(start + index) % others.length] as ShardName;
      const stealable = await this.#stealable(shard);
      const urgent = stealable.filter(({ entry }) => !entry.position.idle);
      found = this.#stealUrgent(shard, urgent, signal);
      if (idle.length === 0) idle = stealable.slice(urgent.length);
    }
    if (found === 0 && !signal.aborted) found = this.#stealIdle(idle, signal);
    this.#stealMs = found > 0 ? STEAL_MS_MIN : Math.min(STEAL_MS_MAX, this.#stealMs * 1.5);
    const jittered = this.#stealMs * (0.5 + world.random.next());
    this.#stealAt = world.clock.monotonic() + jittered;
    this.#ringAfter(jittered);
  }

  /** Takes what has a place, and makes places for the rest. Returns how many there are. */
  #stealUrgent({ queue }: ShardName, found: readonly Picked[], signal: AbortSignal): number {
    const most = Math.max(0, Math.min(found.length, STEAL_MAX, this.#picker.room(queue)));
    const mine = found.slice(0, Math.min(most, this.#with.slots.free));
    if (mine.length > 0) this.#take(mine, signal);
    if (most > mine.length) this.#with.preempt({ count: most - mine.length });
    return most;
  }

  #stealIdle(found: readonly Picked[], signal: AbortSignal): number {
    const [first] = found;
    if (!first) return 0;
    const most = Math.min(STEAL_MAX, this.#picker.idleRoom(first.entry.position.queue));
    const mine: Picked[] = [];
    for (const each of found) {
      if (mine.length >= most || !this.#picker.idleFits(each.entry, mine.length)) break;
      mine.push(each);
    }
    if (mine.length > 0) this.#take(mine, signal);
    return mine.length;
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

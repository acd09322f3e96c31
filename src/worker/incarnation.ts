/**
 * One life of a worker: from its registration under a fresh random id to the end of its session.
 *
 * It opens a session, follows who else works, follows the shards it prefers, takes, runs, rescues.
 * It ends when it is stopped or when its session is lost. After a loss the handlers are told to
 * stop, and the worker begins a new life under a new id; ids are never used twice, so nothing
 * written under the old one can be mistaken.
 *
 * Order of the end after `stop`: no more takes; wait for the running tasks up to `drainMs`; tell
 * the rest to stop and give them back; end the loops; end the session, which lets other workers see
 * at once that this one is gone. Dying at any step is the case that the rescuer is for.
 */
import { setMaxListeners } from "node:events";
import { hostname } from "node:os";
import { aborted } from "../base/aborted.ts";
import { publish } from "../base/events.ts";
import { type LoopWorld, pause, runLoop } from "../base/loop.ts";
import { VERSION } from "../base/version.ts";
import { isPreemptible, type ReadyEntry } from "../broker/take.ts";
import { openSession, type Session } from "../coordination/session.ts";
import type { Store } from "../store/store.ts";
import type { Attempt } from "../task/attempt.ts";
import { QUEUE_SHARDS, workerKey } from "../task/keyspace.ts";
import { encodeRecord, type WorkerRecord } from "../task/records.ts";
import type { Registry } from "../task/registry.ts";
import { Executor } from "./executor.ts";
import { Hands } from "./hands.ts";
import { Inbox } from "./inbox.ts";
import type { Isolation } from "./isolation/isolation.ts";
import type { Pressure } from "./picker.ts";
import { preempt } from "./preempt.ts";
import { Presence } from "./presence.ts";
import { QueueSettings } from "./queue-settings.ts";
import type { QueueUsage } from "./queue-usage.ts";
import { Rescuer } from "./rescuer.ts";
import type { IdleWork } from "./room/idle-work.ts";
import type { RoomWatch } from "./room/room-watch.ts";
import { Roster } from "./roster.ts";
import { ShardFollower } from "./shard-follower.ts";
import type { Slots } from "./slots.ts";
import { type ShardName, Taker } from "./taker.ts";
import { concurrencyMax, type ResolvedWorkerOptions } from "./worker-options.ts";

const WINDOW_MIN = 32;
const WINDOW_MAX = 256;
const DRAIN_CHECK_MS = 20;
const KINDS_REPORTED_MAX = 1_000;

/** What every life of a worker works with. */
export interface WorkerWorld {
  readonly store: Store;
  readonly world: LoopWorld;
  readonly registry: Registry;
  readonly options: ResolvedWorkerOptions;
  readonly resultBytesMax: number;
  readonly slots: Slots;
  readonly isolation: Isolation;
  readonly usage: QueueUsage;
  readonly room: RoomWatch;
  readonly idleWork: IdleWork;
  /** Aborts when outcomes need not be tried any longer, because the worker stopped for good. */
  readonly giveUp: AbortSignal;
}

interface Followed extends ShardName {
  readonly follower: ShardFollower;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

/** See the essay above. */
export class Incarnation {
  readonly worker: string;
  readonly #with: WorkerWorld;
  readonly #session: Session;
  readonly #presence: Presence;
  /** What of host and slots was said last. */
  #said: { readonly room: string; readonly slots: number };
  readonly #taker: Taker;
  readonly #executor: Executor;
  readonly #settings: QueueSettings;
  readonly #inbox: Inbox;
  readonly #roster: Roster;
  readonly #rescuer: Rescuer;
  readonly #followed = new Map<string, Followed>();
  readonly #reported = new Set<string>();
  readonly #stopTaking = new AbortController();
  readonly #ending = new AbortController();
  readonly #giveUp = new AbortController();

  constructor(world: WorkerWorld, worker: string, session: Session, record: WorkerRecord) {
    const { store, slots, usage, registry, options, resultBytesMax } = world;
    this.worker = worker;
    this.#with = world;
    this.#session = session;
    this.#presence = new Presence(world.world, session, record);
    this.#said = this.#toSay();
    const hands = new Hands(worker);
    const giveUp = AbortSignal.any([world.giveUp, this.#giveUp.signal]);
    // Every outcome that waits for the store listens; Node would warn of a leak at the eleventh.
    setMaxListeners(0, giveUp);
    this.#settings = new QueueSettings(options.queues, () => this.#assign());
    this.#inbox = new Inbox(store, world.world, worker, {
      cancelWanted: (id, wish) => this.#executor.cancel(id, wish),
      runs: (id) => this.#executor.runs(id),
    });
    this.#executor = new Executor({
      store,
      world: world.world,
      registry,
      hands,
      worker,
      resultBytesMax,
      settings: this.#settings,
      slots,
      isolation: world.isolation,
      giveUp,
      wishOf: (id) => this.#inbox.wishOf(id),
    });
    this.#roster = new Roster(worker, {
      changed: () => this.#assign(),
      vanished: (other) => this.#rescuer.vanished(other),
    });
    this.#rescuer = new Rescuer(store, world.world, worker, this.#roster);
    this.#taker = new Taker({
      store,
      world: world.world,
      worker,
      session,
      slots,
      usage,
      settings: this.#settings,
      hands,
      followers: () => [...this.#followed.values()].map(({ follower }) => follower),
      others: () => this.#others(),
      knows: (entry) => this.#knows(entry),
      hasRoom: () => world.room.idle,
      canPreempt: () => world.idleWork.canPreempt,
      preempt: (pressure) => this.#preempt(pressure),
      run: (attempt, handlerEnded) => this.#run(attempt, handlerEnded),
    });
  }

  /** Tasks taken and not finished. */
  get running(): number {
    return this.#executor.running;
  }

  /** Says that a slot is free. */
  ring(): void {
    this.#taker.ring();
  }

  /** Whether more slots would let more tasks run. */
  get wantsSlots(): boolean {
    return this.#taker.wantsSlots;
  }

  /** Says that the host was looked at, and there may be more slots or fewer. */
  sampled(): void {
    const { room } = this.#with;
    // A take that was under way when room ended may only start its tasks now, so this is repeated.
    if (room.obstacles.some((obstacle) => obstacle !== "event-loop")) {
      this.#preempt({ count: Number.POSITIVE_INFINITY });
    }
    const before = this.#said;
    const said = this.#toSay();
    if (said.room === before.room && said.slots === before.slots) return;
    this.#said = said;
    const { record } = room;
    this.#presence.change({ concurrency: said.slots, ...(record && { room: record }) });
    if (said.room === before.room) return;
    if (record) publish("etask:worker:room", { worker: this.worker, ...record });
    this.#taker.ring();
  }

  /** Differs when host or slots are to be said again: for new numbers alone they are not. */
  #toSay(): { room: string; slots: number } {
    const { room, slots } = this.#with;
    return { room: [room.record?.idle, ...room.obstacles].join(), slots: slots.capacity };
  }

  #preempt(pressure: Pressure): void {
    preempt(this.#executor.attempts, pressure, this.#with.world);
  }

  async #run(attempt: Attempt, handlerEnded: () => void): Promise<void> {
    const { idleWork } = this.#with;
    const { position, ready } = attempt;
    const ended = position.idle ? idleWork.begin(isPreemptible(ready)) : undefined;
    await this.#executor.run(attempt, handlerEnded);
    ended?.();
  }

  /** Works until the session is lost or `stop` aborts, then ends in the order given above. */
  async live(stop: AbortSignal): Promise<void> {
    const { world, store } = this.#with;
    const ends = AbortSignal.any([this.#ending.signal, this.#session.lost]);
    const takingEnds = AbortSignal.any([this.#stopTaking.signal, ends]);
    const loops = [
      runLoop("roster", world, ends, (signal) => this.#roster.follow(store, signal, world.clock)),
      runLoop("queues", world, ends, (signal) => this.#settings.follow(store, signal, world.clock)),
      runLoop("inbox", world, ends, (signal) => this.#inbox.follow(signal)),
      runLoop("rescuer", world, ends, (signal) => this.#rescuer.run(signal)),
    ];
    const taking = runLoop("taker", world, takingEnds, (signal) => this.#taker.run(signal));
    this.#publishStarted();
    await aborted(AbortSignal.any([stop, this.#session.lost]));
    const lost = this.#session.lost.aborted;
    this.#stopTaking.abort();
    this.#presence.end();
    if (lost) this.#abandon();
    await taking;
    const released = lost ? 0 : await this.#drain();
    this.#ending.abort();
    await Promise.all([...loops, ...[...this.#followed.values()].map(({ done }) => done)]);
    if (!lost) await this.#inbox.clear().catch(() => {});
    await this.#session.close().catch(() => {});
    publish("etask:worker:stopped", { worker: this.worker, released });
  }

  #abandon(): void {
    const { worker, running } = this;
    publish("etask:worker:lease-lost", { worker, running });
    this.#executor.abortAll("lease-lost");
  }

  async #drain(): Promise<number> {
    const { world, options } = this.#with;
    const until = world.clock.monotonic() + options.drainMs;
    while (this.running > 0 && world.clock.monotonic() < until && !this.#session.lost.aborted) {
      await pause(world, DRAIN_CHECK_MS, this.#session.lost);
    }
    if (this.running === 0) return 0;
    // The store may be away for good: then the lease gives the tasks back.
    const cancel = world.clock.after(options.leaseTtlMs, () => this.#giveUp.abort());
    this.#executor.abortAll("shutdown");
    const released = await this.#executor.releaseAll();
    cancel();
    return released;
  }

  /**
   * Follows the shards that this worker prefers now, and no others; of a queue with strict order,
   * all.
   */
  #assign(): void {
    if (!this.#roster.known || !this.#settings.known) return;
    for (const shard of this.#shards()) {
      const name = nameOf(shard);
      const followed = this.#followed.get(name);
      const strict = this.#settings.of(shard.queue).record.order === "strict";
      const preferred = strict || this.#roster.prefersShard(shard.queue, shard.shard);
      if (preferred && !followed) this.#followed.set(name, this.#follow(shard));
      else if (!preferred && followed) {
        followed.stop.abort();
        this.#followed.delete(name);
      }
    }
    this.#taker.ring();
  }

  #follow({ queue, shard }: ShardName): Followed {
    const { store, world, options } = this.#with;
    const follower = new ShardFollower(
      {
        store,
        world,
        knows: (entry) => this.#knows(entry),
        changed: () => this.#taker.ring(),
        capacity: Math.min(WINDOW_MAX, Math.max(WINDOW_MIN, concurrencyMax(options))),
      },
      queue,
      shard,
    );
    const stop = new AbortController();
    const ends = AbortSignal.any([
      stop.signal,
      this.#stopTaking.signal,
      this.#ending.signal,
      this.#session.lost,
    ]);
    const done = runLoop(`shard ${queue}/${shard}`, world, ends, (signal) => follower.run(signal));
    return { queue, shard, follower, stop, done };
  }

  /** Before the other workers are known, no shard is theirs to steal from. */
  #others(): ShardName[] {
    if (!this.#roster.known) return [];
    return this.#shards().filter((shard) => !this.#followed.has(nameOf(shard)));
  }

  #shards(): ShardName[] {
    return this.#with.options.queues.flatMap((queue) =>
      Array.from({ length: QUEUE_SHARDS }, (_, shard) => ({ queue, shard })),
    );
  }

  #knows({ record, position }: ReadyEntry): boolean {
    const { id, name } = record;
    const { options, registry } = this.#with;
    // Where no slot can be left free, only what gives its own back may run.
    const alone = concurrencyMax(options) === 1 && !isPreemptible(record);
    if (position.idle && (!options.idle || alone)) return false;
    if (registry.find(name)) return true;
    if (!this.#reported.has(id) && this.#reported.size < KINDS_REPORTED_MAX) {
      this.#reported.add(id);
      publish("etask:task:kind-unknown", { id, name, worker: this.worker });
    }
    return false;
  }

  #publishStarted(): void {
    const { options, registry } = this.#with;
    publish("etask:worker:started", {
      worker: this.worker,
      queues: options.queues,
      kinds: registry.names,
    });
  }
}

/** Registers a worker under a fresh id. @throws StoreError when the store does not take it. */
export async function beginIncarnation(world: WorkerWorld): Promise<Incarnation> {
  const { store, options, registry, slots, room } = world;
  const worker = world.world.random.hex(8);
  const record: WorkerRecord = {
    host: hostname(),
    pid: process.pid,
    queues: options.queues,
    kinds: registry.names,
    concurrency: slots.capacity,
    startedAt: world.world.clock.now(),
    version: VERSION,
    ...(options.scale && { scale: options.scale }),
    ...(room.record && { room: room.record }),
  };
  const session = await openSession(store, world.world, {
    key: workerKey(worker),
    value: encodeRecord(record),
    ttlMs: options.leaseTtlMs,
  });
  return new Incarnation(world, worker, session, record);
}

function nameOf({ queue, shard }: ShardName): string {
  return `${queue}/${shard}`;
}

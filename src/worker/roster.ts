/**
 * Who works: a live view of the keys under `worker/`.
 *
 * From it follows which shards a worker prefers, by rendezvous hashing: every worker that takes
 * from a queue and knows the same kinds of tasks is weighed against the shard, the heaviest one
 * prefers it. So a worker that comes or goes moves only its own shards, and no kind is left to
 * workers that do not know it: those that know other kinds divide the shards among themselves once
 * more. A preference is no ownership: while the views of two workers differ, both or neither may
 * prefer a shard, and nothing worse happens than a lost race or a later steal.
 */
import type { Clock } from "../base/clock.ts";
import { hash } from "../base/hash.ts";
import { type FollowerSink, follow } from "../coordination/follower.ts";
import type { Entry, Store, WatchBatch } from "../store/store.ts";
import { decodeWorker } from "../task/decode.ts";
import { WORKERS_RANGE, workerOfKey } from "../task/keyspace.ts";
import type { WorkerRecord } from "../task/records.ts";
import { readOr } from "../task/task-reader.ts";

/** What happens when the view changes. */
export interface RosterEvents {
  /** After every change that may move a preference, and once at the beginning. */
  changed(): void;
  /** A worker that was seen is gone. */
  vanished(worker: string): void;
}

/** See the essay above. */
export class Roster implements FollowerSink {
  readonly #self: string;
  readonly #events: RosterEvents;
  readonly #workers = new Map<string, Rostered>();
  #known = false;

  constructor(self: string, events: RosterEvents) {
    this.#self = self;
    this.#events = events;
  }

  /** Keeps the view up to date until `signal` aborts. */
  follow(store: Store, signal: AbortSignal, clock?: Clock): Promise<void> {
    return follow(store, WORKERS_RANGE, this, signal, clock);
  }

  /** Whether the workers were read at least once. */
  get known(): boolean {
    return this.#known;
  }

  /** Whether the worker is alive as far as is known. */
  has(worker: string): boolean {
    return this.#workers.has(worker);
  }

  /** Whether this worker is the one to take from the shard first. */
  prefersShard(queue: string, shard: number): boolean {
    const kinds = this.#workers.get(this.#self)?.kindsText;
    const alike = (other: Rostered) => kinds === undefined || other.kindsText === kinds;
    return this.#heaviest(`${queue}/${shard}`, (other) => {
      return other.record.queues.includes(queue) && alike(other);
    });
  }

  /** Whether this worker is the one to rescue what `vanished` left. */
  prefersRescue(vanished: string): boolean {
    return this.#heaviest(vanished, ({ record }) => record.concurrency > 0);
  }

  reset(entries: readonly Entry[]): void {
    const before = [...this.#workers.keys()];
    this.#workers.clear();
    for (const entry of entries) this.#add(entry);
    this.#known = true;
    for (const worker of before) if (!this.#workers.has(worker)) this.#events.vanished(worker);
    this.#events.changed();
  }

  apply({ events }: WatchBatch): void {
    let changed = false;
    for (const event of events) {
      const worker = workerOfKey(event.key);
      const before = this.#workers.get(worker);
      if (event.type === "put") changed = this.#add(event.entry)?.text !== before?.text || changed;
      else if (this.#workers.delete(worker)) {
        changed = true;
        this.#events.vanished(worker);
      }
    }
    if (changed) this.#events.changed();
  }

  #add(entry: Entry): Rostered | undefined {
    const record = readOr(entry, decodeWorker);
    if (!record) return undefined;
    const kindsText = [...record.kinds].sort().join(" ");
    const text = `${record.queues.join(" ")}/${kindsText}/${record.concurrency > 0}`;
    const rostered = { record, kindsText, text };
    this.#workers.set(workerOfKey(entry.key), rostered);
    return rostered;
  }

  #heaviest(subject: string, takesPart: (worker: Rostered) => boolean): boolean {
    let best = this.#self;
    let bestWeight = weigh(this.#self, subject);
    for (const [worker, rostered] of this.#workers) {
      if (worker === this.#self || !takesPart(rostered)) continue;
      const weight = weigh(worker, subject);
      if (weight > bestWeight || (weight === bestWeight && worker > best)) {
        best = worker;
        bestWeight = weight;
      }
    }
    return best === this.#self;
  }
}

/**
 * Shards differ in their last character alone, which FNV-1a hardly spreads: without the finalizer
 * of MurmurHash3 (https://github.com/aappleby/smhasher) one worker would outweigh another at nearly
 * all.
 */
function weigh(worker: string, subject: string): number {
  let weight = hash(`${worker}/${subject}`);
  weight = Math.imul(weight ^ (weight >>> 16), 0x85ebca6b);
  weight = Math.imul(weight ^ (weight >>> 13), 0xc2b2ae35);
  return (weight ^ (weight >>> 16)) >>> 0;
}

interface Rostered {
  readonly record: WorkerRecord;
  /** Equal for workers that know the same kinds. */
  readonly kindsText: string;
  /** Differs when a preference may change: what else a worker says of itself does not matter. */
  readonly text: string;
}

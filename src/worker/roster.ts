/**
 * Who works: a live view of the keys under `worker/`.
 *
 * From it follows which shards a worker prefers, by rendezvous hashing: every worker that takes from a
 * queue is weighed against the shard, the heaviest one prefers it. So a worker that comes or goes
 * moves only its own shards. A preference is no ownership: while the views of two workers differ, both
 * or neither may prefer a shard, and nothing worse happens than a lost race or a later steal.
 */
import { type FollowerSink, follow } from "../coordination/follower.ts";
import type { Entry, Store, WatchBatch } from "../store/store.ts";
import { hash, WORKERS_RANGE, workerOfKey } from "../task/keyspace.ts";
import { decodeWorker, type WorkerRecord } from "../task/records.ts";
import { readOr } from "../task/task-reader.ts";

/** What happens when the view changes. */
export interface RosterEvents {
  /** After every change, and once at the beginning. */
  changed(): void;
  /** A worker that was seen is gone. */
  vanished(worker: string): void;
}

/** See the essay above. */
export class Roster implements FollowerSink {
  readonly #self: string;
  readonly #events: RosterEvents;
  readonly #workers = new Map<string, WorkerRecord>();

  constructor(self: string, events: RosterEvents) {
    this.#self = self;
    this.#events = events;
  }

  /** Keeps the view up to date until `signal` aborts. */
  follow(store: Store, signal: AbortSignal): Promise<void> {
    return follow(store, WORKERS_RANGE, this, signal);
  }

  /** Whether the worker is alive as far as is known. */
  has(worker: string): boolean {
    return this.#workers.has(worker);
  }

  /** Whether this worker is the one to take from the shard first. */
  prefersShard(queue: string, shard: number): boolean {
    return this.#heaviest(`${queue}/${shard}`, (record) => record.queues.includes(queue));
  }

  /** Whether this worker is the one to rescue what `vanished` left. */
  prefersRescue(vanished: string): boolean {
    return this.#heaviest(vanished, (record) => record.concurrency > 0);
  }

  reset(entries: readonly Entry[]): void {
    const before = [...this.#workers.keys()];
    this.#workers.clear();
    for (const entry of entries) this.#add(entry);
    for (const worker of before) if (!this.#workers.has(worker)) this.#events.vanished(worker);
    this.#events.changed();
  }

  apply({ events }: WatchBatch): void {
    for (const event of events) {
      if (event.type === "put") this.#add(event.entry);
      else if (this.#workers.delete(workerOfKey(event.key))) {
        this.#events.vanished(workerOfKey(event.key));
      }
    }
    if (events.length > 0) this.#events.changed();
  }

  #add(entry: Entry): void {
    const record = readOr(entry, decodeWorker);
    if (record) this.#workers.set(workerOfKey(entry.key), record);
  }

  #heaviest(subject: string, takesPart: (record: WorkerRecord) => boolean): boolean {
    let best = this.#self;
    let bestWeight = hash(`${this.#self}/${subject}`);
    for (const [worker, record] of this.#workers) {
      if (worker === this.#self || !takesPart(record)) continue;
      const weight = hash(`${worker}/${subject}`);
      if (weight > bestWeight || (weight === bestWeight && worker > best)) {
        best = worker;
        bestWeight = weight;
      }
    }
    return best === this.#self;
  }
}

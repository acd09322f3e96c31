/**
 * What is set for the queues of a worker: a live view of the keys under `queue/`.
 *
 * Every take is guarded by the revision of its queue's settings as this view knows them. So a view
 * that is behind costs a refused take and never a wrong one, and a pause holds from its revision
 * on, whatever a worker has heard. The refusal brings the settings with it and is noted here, so
 * that a lost watch event does not stop a queue. While the store is away the view stays as it is.
 * Before the first listing nothing is known and nothing is taken.
 */
import type { Clock } from "../base/clock.ts";
import { publish } from "../base/events.ts";
import { type FollowerSink, follow } from "../coordination/follower.ts";
import type { Entry, Revision, Store, WatchBatch } from "../store/store.ts";
import { QUEUES_RANGE, queueKey, queueOfKey } from "../task/keyspace.ts";
import { decodeQueue, type QueueRecord } from "../task/queue-record.ts";
import { readOr } from "../task/task-reader.ts";

/** The settings of one queue, and the revision that wrote them; 0 when there are none. */
export interface QueueSetting {
  readonly record: QueueRecord;
  readonly revision: Revision;
}

/** What is set for each queue, as far as this worker knows. */
export interface QueueSettingsView {
  of(queue: string): QueueSetting;
}

const NOTHING_SET: QueueSetting = { record: {}, revision: 0 };

/** See the essay above. */
export class QueueSettings implements FollowerSink, QueueSettingsView {
  readonly #queues: ReadonlySet<string>;
  readonly #changed: () => void;
  readonly #settings = new Map<string, QueueSetting>();
  /** Everything up to here is in the view. */
  #seen: Revision | undefined;

  /** `changed` is called whenever the settings of one of `queues` may have changed. */
  constructor(queues: readonly string[], changed: () => void) {
    this.#queues = new Set(queues);
    this.#changed = changed;
  }

  /** Whether the settings were read at least once. */
  get known(): boolean {
    return this.#seen !== undefined;
  }

  of(queue: string): QueueSetting {
    return this.#settings.get(queue) ?? NOTHING_SET;
  }

  /** Keeps the view up to date until `signal` aborts. */
  follow(store: Store, signal: AbortSignal, clock: Clock): Promise<void> {
    return follow(store, QUEUES_RANGE, this, signal, clock);
  }

  /** Notes what a read of one queue's settings found as of `revision`. */
  note(queue: string, entry: Entry | undefined, revision: Revision): void {
    if (this.#seen === undefined || revision < this.#seen) return;
    if (this.#set(queue, entry)) this.#changed();
  }

  reset(entries: readonly Entry[], revision: Revision): void {
    this.#seen = revision;
    const byKey = new Map(entries.map((entry) => [entry.key, entry]));
    for (const queue of this.#queues) this.#set(queue, byKey.get(queueKey(queue)));
    this.#changed();
  }

  apply({ events, revision }: WatchBatch): void {
    this.#seen = revision;
    let changed = false;
    for (const event of events) {
      const entry = event.type === "put" ? event.entry : undefined;
      // The view may know better already, from a take that was refused.
      if (event.modRevision < this.of(queueOfKey(event.key)).revision) continue;
      changed = this.#set(queueOfKey(event.key), entry) || changed;
    }
    if (changed) this.#changed();
  }

  #set(queue: string, entry: Entry | undefined): boolean {
    const before = this.of(queue);
    if (!this.#queues.has(queue) || before.revision === (entry?.modRevision ?? 0)) return false;
    if (entry === undefined) this.#settings.delete(queue);
    else {
      const record = readOr(entry, decodeQueue) ?? {};
      this.#settings.set(queue, { record, revision: entry.modRevision });
    }
    publish("etask:queue:changed", { queue, paused: this.of(queue).record.paused !== undefined });
    return true;
  }
}

/**
 * How many ended tasks the limited queues hold, and how many bytes, by the minute of their expiry.
 *
 * It is fed with expire entries and their removals and remembers sums, no tasks: its size is that
 * of the minutes in which something of a limited queue expires. A removal names no queue. One that
 * was announced by `sweeping` is known; any other (a task removed or retried by hand) leaves the
 * sums of its minute too high, as does an entry that was written twice. Such a minute is
 * *doubtful* until it was counted anew. So:
 *
 * 1. A sum is never too low once everything was counted.
 * 2. Without doubtful minutes all sums are exact, up to what the watch has not delivered yet.
 *
 * A count of one minute shows one revision; changes up to it that the watch delivers later are
 * passed over.
 */
import { readExpire } from "../broker/sweep.ts";
import type { Entry, Revision } from "../store/store.ts";
import { expireTime } from "../task/keyspace.ts";
import type { QueueRecord } from "../task/queue-record.ts";
import type { ExpireRecord } from "../task/records.ts";

/**
 * What a task takes beside the values of its records: their keys, its expire entry, the store's own
 * bookkeeping and space that it cannot use. Measured on etcd 3.5: 850 bytes for tasks with 100
 * bytes of input, more for larger ones.
 */
export const TASK_OVERHEAD_BYTES = 800;

/** About what an ended task takes in the store. */
export function bytesOf({ bytes }: ExpireRecord): number {
  return bytes + TASK_OVERHEAD_BYTES;
}

/** What a queue may hold of ended tasks. */
export type Keep = NonNullable<QueueRecord["keep"]>;

/** A number of ended tasks and about what they take. */
export interface Held {
  readonly count: number;
  readonly bytes: number;
}

/** See the essay above. */
export class KeepLedger {
  readonly #limits: ReadonlyMap<string, Keep>;
  readonly #held = new Map<string, Map<number, Held>>();
  readonly #doubtful = new Set<number>();
  readonly #countedAt = new Map<number, Revision>();
  readonly #sweeping = new Set<string>();

  constructor(limits: ReadonlyMap<string, Keep>) {
    this.#limits = limits;
    for (const queue of limits.keys()) this.#held.set(queue, new Map());
  }

  /** Notes an entry that was read or written. */
  added(entry: Entry): void {
    const minute = expireTime(entry.key);
    if (minute === undefined || this.#isCounted(minute, entry.modRevision)) return;
    if (this.#add(minute, entry, 1) && entry.version > 1) this.#doubtful.add(minute);
  }

  /** Notes that an entry was deleted, by whomever. */
  removed(key: string, modRevision: Revision): void {
    if (this.#sweeping.delete(key)) return;
    const minute = expireTime(key);
    if (minute === undefined || this.#isCounted(minute, modRevision)) return;
    for (const minutes of this.#held.values()) if (minutes.has(minute)) this.#doubtful.add(minute);
  }

  /** Announces that these entries are about to be deleted. */
  sweeping(entries: readonly Entry[]): void {
    for (const { key } of entries) this.#sweeping.add(key);
  }

  /** Notes which of the entries that were announced have been deleted; the others were not. */
  swept(announced: readonly Entry[], deleted: readonly Entry[]): void {
    const gone = new Set(deleted);
    for (const entry of announced) {
      if (gone.has(entry)) this.#add(expireTime(entry.key) ?? 0, entry, -1);
      // Somebody else was faster, and the removal was taken for ours already.
      else if (!this.#sweeping.delete(entry.key)) this.#doubtful.add(expireTime(entry.key) ?? 0);
    }
  }

  /** Forgets the minutes before `minute`: the sweeper removes what is in them. */
  passed(minute: number): void {
    for (const minutes of [...this.#held.values(), this.#countedAt]) {
      for (const each of minutes.keys()) if (each < minute) minutes.delete(each);
    }
    for (const each of this.#doubtful) if (each < minute) this.#doubtful.delete(each);
  }

  /** How far a queue is above its limits; `undefined` when it is not. */
  excess(queue: string): Held | undefined {
    const { count = Number.POSITIVE_INFINITY, bytes = Number.POSITIVE_INFINITY } =
      this.#limits.get(queue) ?? {};
    const held = this.total(queue);
    const above = { count: held.count - count, bytes: held.bytes - bytes };
    return above.count > 0 || above.bytes > 0 ? above : undefined;
  }

  /** All that a queue holds. */
  total(queue: string): Held {
    let count = 0;
    let bytes = 0;
    for (const held of this.#held.get(queue)?.values() ?? []) {
      count += held.count;
      bytes += held.bytes;
    }
    return { count, bytes };
  }

  /** The first minute in which something of the queue expires. */
  soonest(queue: string): number | undefined {
    const minutes = [...(this.#held.get(queue)?.keys() ?? [])];
    return minutes.length === 0 ? undefined : minutes.reduce((a, b) => Math.min(a, b));
  }

  /** Says that the sums of a minute cannot be right. */
  doubt(minute: number): void {
    this.#doubtful.add(minute);
  }

  /** The minutes whose sums may be too high for this queue. */
  doubtful(queue: string): number[] {
    return [...this.#doubtful].filter((minute) => this.#held.get(queue)?.has(minute));
  }

  /**
   * Begins a new count of a minute; `recounted` with each of its entries as of `revision` follows.
   */
  recount(minute: number, revision: Revision): void {
    for (const minutes of this.#held.values()) minutes.delete(minute);
    this.#doubtful.delete(minute);
    this.#countedAt.set(minute, revision);
  }

  /** Notes an entry of a minute that is counted anew. */
  recounted(minute: number, entry: Entry): void {
    this.#add(minute, entry, 1);
  }

  #isCounted(minute: number, modRevision: Revision): boolean {
    return modRevision <= (this.#countedAt.get(minute) ?? 0);
  }

  /** Whether the entry is of a limited queue. */
  #add(minute: number, { value }: Entry, sign: 1 | -1): boolean {
    const record = readExpire(value);
    const minutes = record && this.#held.get(record.queue);
    if (!minutes) return false;
    const { count, bytes } = minutes.get(minute) ?? { count: 0, bytes: 0 };
    const held = { count: count + sign, bytes: bytes + sign * bytesOf(record) };
    if (held.count > 0) minutes.set(minute, held);
    else minutes.delete(minute);
    return true;
  }
}

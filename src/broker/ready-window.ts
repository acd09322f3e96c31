import { inRange, type KeyRange } from "../store/range.ts";
import type { Revision } from "../store/store.ts";
import { idlePrefix, readyOrder } from "../task/keyspace.ts";
import type { ReadyEntry } from "./take.ts";

const TAKEN_MAX = 4_096;

/**
 * A bounded view of the head of one shard's ready index: the smallest keys, at most `capacity`.
 *
 * Everything below `horizon` that this worker may run is in the window or was taken from it; what
 * lies beyond is unknown and is read when the window runs low. So memory does not grow with the
 * backlog, and a change beyond the horizon costs nothing.
 *
 * A stale entry is harmless: taking it fails by its guard. A task that comes back to the key it was
 * taken from is told from an echo of its earlier stay by its revision.
 */
export class ReadyWindow {
  readonly range: KeyRange;
  readonly #capacity: number;
  #entries: ReadyEntry[] = [];
  #horizon: string;
  readonly #headOrder = new LastOrder();
  readonly #horizonOrder = new LastOrder();
  /** What was taken lately, so that an event from before the take does not bring it back. */
  readonly #taken = new Map<string, Revision>();

  constructor(range: KeyRange, capacity: number) {
    this.range = range;
    this.#capacity = capacity;
    this.#horizon = range.start;
  }

  get size(): number {
    return this.#entries.length;
  }

  /** How many of its entries are of tasks that are not idle: those that come first. */
  get ordinary(): number {
    return this.#find(idlePrefix(this.range.start));
  }

  /** Where the next scan starts. */
  get horizon(): string {
    return this.#horizon;
  }

  /** Whether nothing lies beyond the horizon, as far as is known. */
  get complete(): boolean {
    return this.#horizon >= this.range.end;
  }

  /**
   * In taking order, everything before this is known; `undefined` when all is. See `readyOrder`.
   */
  get knownBefore(): string | undefined {
    return this.complete ? undefined : this.#horizonOrder.of(this.#horizon);
  }

  /** The first entry in taking order. */
  get head(): ReadyEntry | undefined {
    return this.#entries[0];
  }

  /** The place of {@link head} in taking order; see `readyOrder`. */
  get headOrder(): string | undefined {
    const { head } = this;
    return head && this.#headOrder.of(head.key);
  }

  /** Starts over: the next scan begins at the shard's start. What was taken stays taken. */
  restart(): void {
    this.#entries = [];
    this.#horizon = this.range.start;
  }

  /** Puts back an entry that was taken out but could not be taken from the store. */
  putBack(entry: ReadyEntry): void {
    if (this.#taken.get(entry.key) === entry.modRevision) this.#taken.delete(entry.key);
    if (this.wants(entry)) this.insert(entry);
  }

  /** Whether an entry belongs into the window. */
  wants({ key, modRevision }: { readonly key: string; readonly modRevision: Revision }): boolean {
    if (!inRange(this.range, key) || key >= this.#horizon) return false;
    return (this.#taken.get(key) ?? 0) < modRevision;
  }

  /** Puts an entry that {@link wants} accepted into its place. */
  insert(entry: ReadyEntry): void {
    const at = this.#find(entry.key);
    const same = this.#entries[at];
    if (same?.key !== entry.key) this.#entries.splice(at, 0, entry);
    else if (same.modRevision < entry.modRevision) this.#entries[at] = entry;
    if (this.#entries.length <= this.#capacity) return;
    const dropped = this.#entries.pop();
    if (dropped) this.#horizon = dropped.key;
  }

  /** Takes note of a deletion at `revision`. */
  remove(key: string, revision: Revision): void {
    if ((this.#taken.get(key) ?? revision) < revision) this.#taken.delete(key);
    const at = this.#find(key);
    const entry = this.#entries[at];
    if (entry?.key === key && entry.modRevision < revision) this.#entries.splice(at, 1);
  }

  /** Takes the head out of the window, to be taken from the store. */
  takeHead(): ReadyEntry | undefined {
    const entry = this.#entries.shift();
    if (!entry) return undefined;
    this.#taken.set(entry.key, entry.modRevision);
    if (this.#taken.size > TAKEN_MAX) {
      const [oldest] = this.#taken.keys();
      if (oldest !== undefined) this.#taken.delete(oldest);
    }
    return entry;
  }

  /** Takes note that a scan saw everything below `horizon`. */
  extend(horizon: string): void {
    if (horizon > this.#horizon) this.#horizon = horizon;
  }

  #find(key: string): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle] as ReadyEntry).key < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * The order of the key that was asked for last: windows are compared far more often than they move.
 */
class LastOrder {
  #key = "";
  #order = "";

  of(key: string): string {
    if (key !== this.#key) {
      this.#key = key;
      this.#order = readyOrder(key);
    }
    return this.#order;
  }
}

import { afterKey, type KeyRange } from "../store/range.ts";
import type { Entry, Store } from "../store/store.ts";
import { idlePrefix, SEQUENCE_LENGTH, sequenceFloor, sequenceTime } from "../task/keyspace.ts";

const TIME_LENGTH = 10;
const STEP_MS_FIRST = 64;
const STEP_MS_MAX = 3_600_000;

/** What one scan found, and up to where it looked. */
export interface ScanPage {
  readonly entries: readonly Entry[];
  /** Everything below this key was seen. */
  readonly horizon: string;
}

/**
 * Reads a shard's ready index from a cursor on, in steps.
 *
 * On etcd a range costs all keys between its ends, whatever its limit, so reading "the next 200" of
 * a shard with 100,000 waiting tasks must not name the shard's end. Keys are ordered by priority,
 * then by time, those of idle tasks after all others: each step names a stretch of time at one
 * priority, which is made longer or shorter so that it holds about as many entries as are wanted.
 * The whole rest of a priority is named only by the first step at it, when no time is known yet,
 * and after a stretch of hours held next to nothing. The first step among idle tasks names all of
 * them: most shards have none.
 */
export class ReadyScan {
  readonly #store: Store;
  readonly #shard: KeyRange;
  #stepMs = STEP_MS_FIRST;

  constructor(store: Store, shard: KeyRange) {
    this.#store = store;
    this.#shard = shard;
  }

  /**
   * Reads on from `cursor`, at least the shard's start, until `limit` entries or the shard's end.
   */
  async next(cursor: string, limit: number): Promise<ScanPage> {
    const entries: Entry[] = [];
    let start = cursor < this.#shard.start ? this.#shard.start : cursor;
    while (entries.length < limit && start < this.#shard.end) {
      const end = this.#stepEnd(start);
      const page = await this.#store.range({ start, end }, { limit: limit - entries.length });
      entries.push(...page.entries);
      const last = page.entries.at(-1);
      this.#adapt(page.entries.length, page.more, limit);
      start = page.more && last ? afterKey(last.key) : end;
    }
    return { entries, horizon: start };
  }

  #stepEnd(start: string): string {
    const idle = idlePrefix(this.#shard.start);
    const prefix = start >= idle ? idle : this.#shard.start;
    if (!start.startsWith(prefix)) return this.#shard.end;
    const digit = start[prefix.length];
    if (digit === undefined) return prefix === idle ? this.#shard.end : `${prefix}1`;
    const sequence = start.slice(prefix.length + 1, prefix.length + 1 + SEQUENCE_LENGTH);
    // A step that ended between two sequences left the time's first characters as the cursor.
    if (sequence.length < TIME_LENGTH) return this.#levelEnd(prefix, digit);
    if (this.#stepMs > STEP_MS_MAX) {
      this.#stepMs = STEP_MS_FIRST;
      return this.#levelEnd(prefix, digit);
    }
    try {
      const from = sequenceTime(sequence.padEnd(SEQUENCE_LENGTH, "0"));
      return `${prefix}${digit}${sequenceFloor(from + this.#stepMs)}`;
    } catch {
      return this.#levelEnd(prefix, digit);
    }
  }

  #levelEnd(prefix: string, digit: string): string {
    if (digit < "9") return `${prefix}${String.fromCharCode(digit.charCodeAt(0) + 1)}`;
    return prefix === this.#shard.start ? idlePrefix(prefix) : this.#shard.end;
  }

  #adapt(found: number, more: boolean, wanted: number): void {
    if (more) this.#stepMs = Math.max(1, this.#stepMs / 2);
    else if (found * 2 < wanted) this.#stepMs *= 4;
  }
}

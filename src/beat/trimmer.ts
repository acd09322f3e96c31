import type { LoopWorld } from "../base/loop.ts";
import { readExpire } from "../broker/sweep.ts";
import { afterKey } from "../store/range.ts";
import type { Entry, Store } from "../store/store.ts";
import { expireBetween } from "../task/keyspace.ts";
import { MINUTE_MS, pages } from "./expire-scan.ts";
import { bytesOf, type Held, type KeepLedger } from "./keep-ledger.ts";
import { sweepEntries } from "./sweep.ts";

/** Removes what a queue holds above its limits, by the sums of a ledger, which it keeps right. */
export class Trimmer {
  readonly #store: Store;
  readonly #world: LoopWorld;
  readonly #ledger: KeepLedger;
  /** Where the last trim of a queue ended, so that the next one need not step over deleted keys. */
  readonly #cursors = new Map<string, { readonly minute: number; readonly start: string }>();

  constructor(store: Store, world: LoopWorld, ledger: KeepLedger) {
    this.#store = store;
    this.#world = world;
    this.#ledger = ledger;
  }

  /**
   * Trims a queue until it is within its limits or `signal` aborts. Sums that may be too high are
   * counted anew before anything is removed because of them; returns whether that was necessary.
   */
  async trim(queue: string, signal: AbortSignal): Promise<boolean> {
    const ledger = this.#ledger;
    const doubtful = ledger.excess(queue) ? ledger.doubtful(queue) : [];
    for (const minute of doubtful) await this.#recount(minute);
    for (let excess = ledger.excess(queue); excess && !signal.aborted; ) {
      const minute = ledger.soonest(queue);
      if (minute === undefined) break;
      const wholly = await this.#trimMinute(queue, minute, excess, signal);
      excess = ledger.excess(queue);
      if (wholly && ledger.soonest(queue) === minute) {
        // All of the minute was looked at, and yet something is said to be left in it.
        ledger.doubt(minute);
        return true;
      }
    }
    return doubtful.length > 0;
  }

  /** Removes from one minute what the excess asks for. Returns whether it saw all of the minute. */
  async #trimMinute(
    queue: string,
    minute: number,
    excess: Held,
    signal: AbortSignal,
  ): Promise<boolean> {
    const range = expireBetween(minute, minute + MINUTE_MS);
    const cursor = this.#cursors.get(queue);
    const start = cursor?.minute === minute ? cursor.start : range.start;
    let left: Held | undefined = excess;
    for await (const entries of pages(this.#store, { start, end: range.end })) {
      const chosen: Entry[] = [];
      let last = "";
      for (const entry of entries) {
        if (!left) break;
        last = entry.key;
        const record = readExpire(entry.value);
        if (record?.queue !== queue) continue;
        chosen.push(entry);
        left = less(left, bytesOf(record));
      }
      await this.#sweep(chosen, signal);
      this.#cursors.set(queue, { minute, start: afterKey(last) });
      if (!left || signal.aborted) return false;
    }
    this.#cursors.delete(queue);
    return start === range.start;
  }

  async #sweep(chosen: readonly Entry[], signal: AbortSignal): Promise<void> {
    this.#ledger.sweeping(chosen);
    const deleted = await sweepEntries(this.#store, this.#world, chosen, signal);
    this.#ledger.swept(chosen, deleted);
  }

  /** All of the minute as of one revision. */
  async #recount(minute: number): Promise<void> {
    const range = expireBetween(minute, minute + MINUTE_MS);
    const { revision } = await this.#store.range(range, { limit: 1 });
    this.#ledger.recount(minute, revision);
    for await (const entries of pages(this.#store, range, revision)) {
      for (const entry of entries) this.#ledger.recounted(minute, entry);
    }
  }
}

function less({ count, bytes }: Held, taken: number): Held | undefined {
  const left = { count: count - 1, bytes: bytes - taken };
  return left.count > 0 || left.bytes > 0 ? left : undefined;
}

import type { CancelTimer, Clock } from "../../base/clock.ts";
import type { Revision } from "../store.ts";
import { StoreClosedError, StoreError } from "../store-errors.ts";
import { currentRevision } from "./change.ts";
import { readError } from "./failure.ts";
import { type LoggedRevision, readLog } from "./history.ts";
import { watchNotice } from "./notice.ts";
import { compactRevision, requireKnown } from "./reading.ts";
import { snapshot, type Tables } from "./tables.ts";

/** What the tail keeps: the newest revisions, so many or so large. */
const KEPT_REVISIONS_MAX = 4_096;
const KEPT_BYTES_MAX = 4_194_304;

/** How often it looks by itself, for the notice that was lost. */
const POLL_MS = 250;

/**
 * # The end of the log, read once for all watches of an opened store
 *
 * A watch is only a position. It asks for what comes after it and gets it from what is kept here,
 * when it is near the end, or else from the log itself, a bounded piece at a time. So a slow watch
 * costs nothing while it is slow, and a hundred watches cost one read of each change.
 *
 * Invariant: the kept revisions are without gap and end at `#newest`. When that cannot be (history
 * was forgotten meanwhile, or the log ran far ahead), none are kept and each watch reads for
 * itself.
 *
 * A watch waits only after a read that found nothing, in the same turn; whatever moves `#newest`
 * wakes all that wait. So no change is slept through.
 */
export class Tail {
  readonly #tables: Tables;
  readonly #clock: Clock;
  readonly #directory: string;
  readonly #waiting = new Set<() => void>();
  #watches = 0;
  #kept: LoggedRevision[] = [];
  #keptBytes = 0;
  #newest: Revision = 0;
  #closed = false;
  #unwatchNotice: () => void = () => {};
  #cancelPoll: CancelTimer = () => {};

  constructor(tables: Tables, clock: Clock, directory: string) {
    this.#tables = tables;
    this.#clock = clock;
    this.#directory = directory;
  }

  /**
   * Begins a watch after a revision; the function returned ends it.
   *
   * @throws HistoryLostError (`HISTORY_LOST`) when what came after it is not known any more.
   */
  join(after: Revision): () => void {
    this.#requireOpen();
    snapshot(this.#tables, () => requireKnown(this.#tables, after));
    this.#watches += 1;
    if (this.#watches === 1) this.#begin();
    return () => {
      this.#watches -= 1;
      if (this.#watches === 0) this.#end();
    };
  }

  /**
   * The next revisions after one, in order and a bounded number; none when there is nothing newer.
   *
   * @throws HistoryLostError (`HISTORY_LOST`) when they are not known any more.
   */
  read(after: Revision): readonly LoggedRevision[] {
    this.#requireOpen();
    try {
      return this.#read(after);
    } catch (error) {
      throw error instanceof StoreError ? error : readError(error);
    }
  }
  /** Resolves when there is something newer, or when the function given to `onWake` is called. */
  wait(onWake: (wake: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.add(resolve);
      onWake(() => {
        this.#waiting.delete(resolve);
        resolve();
      });
    });
  }

  /** Looks for something newer, if anybody waits for it. */
  check(): void {
    if (this.#waiting.size === 0) return;
    try {
      this.#refresh();
    } catch {
      // Whoever waits meets the same error, and can report it.
      this.#wake();
    }
  }

  /** Ends all watches with an error. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  #requireOpen(): void {
    if (this.#closed) throw new StoreClosedError();
  }

  #read(after: Revision): readonly LoggedRevision[] {
    if (after >= this.#newest) this.#refresh();
    if (after >= this.#newest) return [];
    const first = this.#kept[0]?.revision ?? this.#newest + 1;
    if (after >= first - 1) return this.#kept.slice(after - first + 1);
    return snapshot(this.#tables, () => {
      requireKnown(this.#tables, after);
      return readLog(this.#tables, after);
    });
  }

  #refresh(): void {
    const before = this.#newest;
    snapshot(this.#tables, () => {
      const newest = currentRevision(this.#tables);
      if (newest === before) return;
      const lost = compactRevision(this.#tables) > before;
      if (lost || newest - before > KEPT_REVISIONS_MAX) this.#skipTo(newest);
      else this.#keep(readLog(this.#tables, before));
    });
    if (this.#newest !== before) this.#wake();
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }

  #skipTo(revision: Revision): void {
    this.#kept = [];
    this.#keptBytes = 0;
    this.#newest = revision;
  }

  #keep(revisions: readonly LoggedRevision[]): void {
    for (const logged of revisions) {
      this.#kept.push(logged);
      this.#keptBytes += logged.bytes;
      this.#newest = logged.revision;
    }
    let gone = 0;
    for (const { bytes } of this.#kept) {
      const tooMany = this.#kept.length - gone > KEPT_REVISIONS_MAX;
      if (!tooMany && this.#keptBytes <= KEPT_BYTES_MAX) break;
      this.#keptBytes -= bytes;
      gone += 1;
    }
    this.#kept.splice(0, gone);
  }

  #begin(): void {
    this.#unwatchNotice = watchNotice(this.#directory, () => this.check());
    this.#skipTo(snapshot(this.#tables, () => currentRevision(this.#tables)));
    this.#poll();
  }

  #poll(): void {
    this.#cancelPoll = this.#clock.after(POLL_MS, () => {
      this.#poll();
      this.check();
    });
  }

  #end(): void {
    this.#unwatchNotice();
    this.#cancelPoll();
    this.#skipTo(0);
  }
}

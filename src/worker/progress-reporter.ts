/**
 * Writes the progress of one attempt, at most once in {@link PERIOD_MS}.
 *
 * A handler may report as often as it likes: only the newest report is kept. The first one is
 * written at once, later ones when the period is over. One write is under way at a time. The
 * outcome of the attempt carries whatever was not confirmed until then (`unconfirmed`), so the last
 * report always lands and no report can land after the outcome: all of them are guarded by the
 * attempt's fence.
 *
 * When the store is away a report is kept and tried again after the next period. When the store
 * refuses one, the attempt has lost its task, and `onStale` says so.
 */
import type { CancelTimer } from "../base/clock.ts";
import type { LoopWorld } from "../base/loop.ts";
import type { Write } from "../store/part.ts";
import type { Store } from "../store/store.ts";
import type { Attempt } from "../task/attempt.ts";
import {
  clampPercent,
  progressPart,
  progressWrite,
  requireDetail,
  requirePercent,
} from "../task/progress.ts";
import type { ProgressRecord } from "../task/records.ts";

const PERIOD_MS = 250;

/** See the essay above. */
export class ProgressReporter {
  readonly #store: Store;
  readonly #world: LoopWorld;
  readonly #attempt: Attempt;
  readonly #onStale: () => void;
  #latest: ProgressRecord | undefined;
  #confirmed: ProgressRecord | undefined;
  #writing = false;
  #cancelTimer: CancelTimer | undefined;
  #closed = false;

  constructor(store: Store, world: LoopWorld, attempt: Attempt, onStale: () => void) {
    this.#store = store;
    this.#world = world;
    this.#attempt = attempt;
    this.#onStale = onStale;
  }

  /** Takes a report; see `TaskContext.progress`. */
  set(percent: number, detail: unknown): void {
    requireDetail(detail);
    if (this.#closed) return;
    this.#latest = {
      percent: clampPercent(percent),
      ...(detail === undefined ? undefined : { detail }),
      attempt: this.#attempt.state.attempt,
      at: this.#world.clock.now(),
    };
    if (!this.#writing && this.#cancelTimer === undefined) this.#write();
  }

  /** Takes a report relative to the last one; see `TaskContext.advance`. */
  advance(delta: number, detail: unknown): void {
    const percent = (this.#latest?.percent ?? 0) + requirePercent(delta);
    this.set(percent, detail ?? this.#latest?.detail);
  }

  /** Stops writing. Returns the write that the outcome must carry, if any. */
  close(): readonly Write[] {
    this.#closed = true;
    this.#cancelTimer?.();
    const latest = this.#latest;
    if (latest === undefined || latest === this.#confirmed) return [];
    return [progressWrite(this.#attempt.id, latest)];
  }

  /** The attempt is over; whatever would be written now would be refused too. */
  #lose(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#onStale();
  }

  async #write(): Promise<void> {
    const report = this.#latest;
    if (report === undefined || report === this.#confirmed || this.#closed) return;
    this.#writing = true;
    this.#cancelTimer = this.#world.clock.after(PERIOD_MS, () => {
      this.#cancelTimer = undefined;
      if (!this.#writing) this.#write();
    });
    try {
      const [result] = await this.#store.commit([progressPart(this.#attempt, report)]);
      if (result?.applied) this.#confirmed = report;
      else if (!this.#closed) this.#lose();
    } catch {
      // The store is away: the report stays unconfirmed and is written after the next period.
    }
    this.#writing = false;
    if (this.#cancelTimer === undefined) this.#write();
  }
}

/**
 * What a worker says of itself under `worker/{worker}`, put again when it has changed.
 *
 * The key stands on the session's lease and every put is guarded by the session, so nothing can
 * bring it back once it is gone. Changes are written at most every few seconds; what changes more
 * often is written as it is then. A worker of which nothing changes writes nothing. A write that
 * fails is made again after the same pause: nothing depends on it, people look at it.
 */
import type { CancelTimer } from "../base/clock.ts";
import { publish } from "../base/events.ts";
import type { LoopWorld } from "../base/loop.ts";
import type { Session } from "../coordination/session.ts";
import { encodeRecord, type WorkerRecord } from "../task/records.ts";

const PAUSE_MS = 3_000;

/** What of a worker's record may change. */
export type PresenceChange = Pick<WorkerRecord, "concurrency" | "room">;

/** See the essay above. */
export class Presence {
  readonly #world: LoopWorld;
  readonly #session: Session;
  #record: WorkerRecord;
  #written: WorkerRecord;
  #waiting: CancelTimer | undefined;
  #ended = false;

  /** `record` is what the session was opened with. */
  constructor(world: LoopWorld, session: Session, record: WorkerRecord) {
    this.#world = world;
    this.#session = session;
    this.#record = record;
    this.#written = record;
  }

  /** Says that something has changed. */
  change(change: PresenceChange): void {
    this.#record = { ...this.#record, ...change };
    if (!this.#waiting) this.#write();
  }

  /** Writes nothing more. */
  end(): void {
    this.#ended = true;
    this.#waiting?.();
  }

  #write(): void {
    const record = this.#record;
    this.#waiting = undefined;
    if (this.#ended || record === this.#written) return;
    const written = this.#session.put(encodeRecord(record)).then(
      () => {
        this.#written = record;
      },
      (error: unknown) => {
        if (!this.#ended) publish("etask:loop:failed", { loop: "presence", error });
      },
    );
    // The pause begins now, and a write that is under way when it ends is waited for.
    this.#waiting = this.#world.clock.after(PAUSE_MS, () => {
      written.then(() => this.#write());
    });
  }
}

/**
 * What others want of the tasks that this worker runs: the keys under `signal/{worker}/`.
 *
 * One watch for all of them. A signal says that `task/{id}#cancel` is to be looked at; what that
 * says is handed to the executor, which tells the handler. The outcome of the attempt deletes both
 * keys. A signal may come before the worker has heard that its take succeeded, so a wish is
 * remembered until its signal goes, and one that nobody runs is deleted only after a while.
 *
 * While the store is away nothing is heard; the wish waits in the store, every part that would let
 * the task wait again is refused by it, and Beat ends the task when its time is over.
 */
import { type LoopWorld, pause } from "../base/loop.ts";
import { clearSignals } from "../broker/rescue-worker.ts";
import { follow } from "../coordination/follower.ts";
import { untilAnswered } from "../coordination/until-answered.ts";
import { del } from "../store/part.ts";
import type { Entry, Revision, Store, WatchBatch } from "../store/store.ts";
import { decodeCancel } from "../task/decode.ts";
import { idOfSignalKey, signalRange, taskKey } from "../task/keyspace.ts";
import type { CancelRecord } from "../task/records.ts";
import { readOr } from "../task/task-reader.ts";

const STRAY_MS = 5_000;

/** Somebody wants a task cancelled. */
export interface Wish {
  readonly cancel: CancelRecord;
  /**
   * When it was written: it is about the attempt that held the task then, not about a later one.
   */
  readonly revision: Revision;
}

/** Who runs the tasks. */
export interface InboxEvents {
  /** Somebody wants the task cancelled. Returns whether it runs here. */
  cancelWanted(id: string, wish: Wish): boolean;
  /** Whether the task runs here. */
  runs(id: string): boolean;
}

/** See the essay above. */
export class Inbox {
  readonly #store: Store;
  readonly #world: LoopWorld;
  readonly #worker: string;
  readonly #events: InboxEvents;
  readonly #wishes = new Map<string, Wish>();

  constructor(store: Store, world: LoopWorld, worker: string, events: InboxEvents) {
    this.#store = store;
    this.#world = world;
    this.#worker = worker;
    this.#events = events;
  }

  /** What is known to be wanted of a task that is about to run. */
  wishOf(id: string): Wish | undefined {
    return this.#wishes.get(id);
  }

  /** Hears signals until `signal` aborts. */
  follow(signal: AbortSignal): Promise<void> {
    const sink = {
      reset: (entries: readonly Entry[]) => {
        this.#wishes.clear();
        for (const { key } of entries) this.#hear(key, signal);
      },
      apply: ({ events }: WatchBatch) => {
        for (const { type, key } of events) {
          if (type === "put") this.#hear(key, signal);
          else this.#wishes.delete(idOfSignalKey(key) ?? "");
        }
      },
    };
    return follow(this.#store, signalRange(this.#worker), sink, signal);
  }

  /** Forgets signals that nobody will answer any more. Throws what the store throws. */
  async clear(): Promise<void> {
    await clearSignals(this.#store, this.#worker);
  }

  #hear(key: string, signal: AbortSignal): void {
    const id = idOfSignalKey(key);
    if (id === undefined) return;
    // What the store refuses for good is told by its driver; Beat ends the task in time.
    this.#look(id, key, signal).catch(() => {});
  }

  async #look(id: string, key: string, signal: AbortSignal): Promise<void> {
    const read = () => this.#store.get(taskKey(id, "cancel"));
    const entry = await untilAnswered(read, this.#world, signal);
    const cancel = entry && readOr(entry, decodeCancel);
    if (cancel) {
      const wish = { cancel, revision: entry.modRevision };
      this.#wishes.set(id, wish);
      if (this.#events.cancelWanted(id, wish)) return;
    }
    await pause(this.#world, STRAY_MS, signal);
    if (signal.aborted || this.#events.runs(id)) return;
    this.#wishes.delete(id);
    await this.#store.commit([{ guards: [], writes: [del(key)] }]);
  }
}

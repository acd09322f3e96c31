/**
 * Waits for tasks to end: any number of waiters in a process share one watch.
 *
 * A waiter can never miss the end. It is entered in the map first; then either the task is known to
 * have been open at a revision that the shared watch has not passed yet, or the task's state is
 * read. The read sees an end up to its own revision; the watch, which began at or before that
 * revision, delivers any later one.
 *
 * The watch covers all tasks, because its range cannot be changed while it runs, and is dispatched
 * by id. An end that is older than what a waiter knows is not the one it waits for: a task can be
 * retried by hand after it has ended, while the watch is behind. It starts with the first waiter
 * and ends when there has been none for a while. When its history is lost it starts anew from now
 * and every waiter's task is read again, until that has been done without an error. When the store
 * is away the watch reconnects by itself and reads are repeated; waiters keep waiting until their
 * own time is over. A watch that has died unnoticed is found out by the heartbeat among the tasks
 * and goes on from where it was.
 */

import type { CancelTimer } from "../base/clock.ts";
import { createDeferred, type Deferred } from "../base/deferred.ts";
import { publish } from "../base/events.ts";
import { type LoopWorld, runLoop } from "../base/loop.ts";
import { watchLive } from "../coordination/live-watch.ts";
import { untilAnswered } from "../coordination/until-answered.ts";
import { getSince } from "../store/read-since.ts";
import type { Revision, Store, WatchEvent } from "../store/store.ts";
import { HistoryLostError, StoreClosedError } from "../store/store-errors.ts";
import { currentRevision } from "../task/current-revision.ts";
import { decodeState } from "../task/decode.ts";
import { parseTaskKey, taskKey, tasksRange } from "../task/keyspace.ts";
import type { StateRecord } from "../task/records.ts";
import { isFinal } from "../task/state.ts";
import { readOr } from "../task/task-reader.ts";

const LINGER_MS = 10_000;
const READS_AT_ONCE = 16;

/** How a wait ended: the final state, or `undefined` when the task was removed. */
export type Ended = StateRecord | undefined;

interface Waiter extends Deferred<Ended> {
  /** A revision at which the task had not ended, as far as is known. */
  openAt: Revision;
}

interface SharedWatch {
  /** Everything after this revision is still to be delivered. */
  position: Revision;
  /** History was lost: every waiter's task must be read before the watch goes on. */
  readAgain: boolean;
  readonly stop: AbortController;
}

/** See the essay above. */
export class Waiters {
  readonly #store: Store;
  readonly #world: LoopWorld;
  readonly #waiting = new Map<string, Set<Waiter>>();
  readonly #closing = new AbortController();
  readonly #loops = new Set<Promise<void>>();
  #watch: SharedWatch | undefined;
  #starting: Promise<void> | undefined;
  #cancelLinger: CancelTimer = () => {};

  constructor(store: Store, world: LoopWorld) {
    this.#store = store;
    this.#world = world;
  }

  /** How many waiters there are now. */
  get size(): number {
    let size = 0;
    for (const waiters of this.#waiting.values()) size += waiters.size;
    return size;
  }

  /**
   * Waits until the task has ended or was removed. `openAt` is a revision at which it is known to
   * exist without having ended, if there is one. Rejects with the signal's reason when it aborts.
   */
  async wait(id: string, openAt: Revision | undefined, signal: AbortSignal): Promise<Ended> {
    signal.throwIfAborted();
    if (this.#closing.signal.aborted) throw new StoreClosedError();
    const waiter: Waiter = { ...createDeferred<Ended>(), openAt: openAt ?? 0 };
    const left = new AbortController();
    const onAbort = () => waiter.reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    this.#enter(id, waiter);
    try {
      await Promise.race([this.#cover(id, waiter, openAt, left.signal), waiter.promise]);
      return await waiter.promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
      left.abort();
      this.#leave(id, waiter);
    }
  }

  /** Ends the watch and fails every wait with `STORE_CLOSED`. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#cancelLinger();
    for (const waiters of this.#waiting.values()) {
      for (const waiter of waiters) waiter.reject(new StoreClosedError());
    }
    this.#watch?.stop.abort();
    await Promise.all(this.#loops);
  }

  #enter(id: string, waiter: Waiter): void {
    this.#cancelLinger();
    const waiters = this.#waiting.get(id) ?? new Set();
    waiters.add(waiter);
    this.#waiting.set(id, waiters);
  }

  #leave(id: string, waiter: Waiter): void {
    const waiters = this.#waiting.get(id);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.#waiting.delete(id);
    if (this.#waiting.size > 0 || this.#closing.signal.aborted) return;
    this.#cancelLinger = this.#world.clock.after(LINGER_MS, () => {
      this.#watch?.stop.abort();
      this.#watch = undefined;
    });
  }

  /** Makes sure that the end of the task will be delivered, or delivers it. */
  async #cover(
    id: string,
    waiter: Waiter,
    openAt: Revision | undefined,
    left: AbortSignal,
  ): Promise<void> {
    while (!this.#watch && !left.aborted) {
      this.#starting ??= this.#start().finally(() => {
        this.#starting = undefined;
      });
      await this.#starting;
    }
    if (left.aborted) return;
    if (openAt !== undefined && this.#watch && this.#watch.position <= openAt) return;
    await untilAnswered(() => this.#read(id, [waiter]), this.#world, left);
  }

  /** What the watch has passed before is to be seen here: an older read would show it to nobody. */
  async #read(id: string, waiters: Iterable<Waiter>): Promise<void> {
    const since = Math.max(this.#watch?.position ?? 0, ...knownOpen(waiters));
    const entry = await getSince(this.#store, taskKey(id, "state"), since);
    const state = entry && readOr(entry, decodeState);
    if (entry && state && isFinal(state.state)) deliver(waiters, state, entry.modRevision);
    else if (entry) {
      for (const waiter of waiters) waiter.openAt = Math.max(waiter.openAt, entry.modRevision);
    } else if (!(await getSince(this.#store, taskKey(id, "spec"), since))) {
      // Without a state it may be waiting for its first attempt; without a spec it is gone.
      deliver(waiters, undefined);
    }
  }

  /** Starts the shared watch from now. */
  async #start(): Promise<void> {
    const { signal } = this.#closing;
    const position = await untilAnswered(() => currentRevision(this.#store), this.#world, signal);
    if (signal.aborted || this.#waiting.size === 0) return;
    const watch = { position, readAgain: false, stop: new AbortController() };
    this.#watch = watch;
    const loop = runLoop("waiters", this.#world, watch.stop.signal, (ends) =>
      this.#follow(watch, ends),
    ).finally(() => this.#loops.delete(loop));
    this.#loops.add(loop);
  }

  async #follow(watch: SharedWatch, signal: AbortSignal): Promise<void> {
    if (watch.readAgain) {
      // From here on a new waiter reads for itself, unless it knows of a later revision.
      watch.position = await currentRevision(this.#store);
      await this.#readAll();
      watch.readAgain = false;
    }
    try {
      const { clock } = this.#world;
      const options = { after: watch.position, signal, clock };
      for await (const batch of watchLive(this.#store, tasksRange(""), options)) {
        for (const event of batch.events) this.#apply(event);
        watch.position = batch.revision;
      }
    } catch (error) {
      if (error instanceof HistoryLostError) {
        watch.readAgain = true;
        publish("etask:watch:relisted", { range: "task/", reason: error.message });
      }
      throw error;
    }
  }

  #apply(event: WatchEvent): void {
    const key = parseTaskKey(event.key);
    const waiters = key && this.#waiting.get(key.id);
    if (!key || !waiters) return;
    if (event.type === "delete") {
      if (key.part === "spec") deliver(waiters, undefined, event.modRevision);
    } else if (key.part === "state") {
      const state = readOr(event.entry, decodeState);
      if (state && isFinal(state.state)) deliver(waiters, state, event.modRevision);
    }
  }

  async #readAll(): Promise<void> {
    const all = this.#waiting.entries();
    const lane = async () => {
      for (const [id, waiters] of all) await this.#read(id, waiters);
    };
    await Promise.all(Array.from({ length: READS_AT_ONCE }, lane));
  }
}

function knownOpen(waiters: Iterable<Waiter>): Revision[] {
  return Array.from(waiters, ({ openAt }) => openAt);
}

/** Tells those who wait for an end that is no older than what they know. */
function deliver(
  waiters: Iterable<Waiter>,
  ended: Ended,
  revision: Revision = Number.POSITIVE_INFINITY,
): void {
  for (const waiter of waiters) if (revision > waiter.openAt) waiter.resolve(ended);
}

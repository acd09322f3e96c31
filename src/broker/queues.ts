/**
 * Queues under control. What is set for a queue is one record, changed by compare-and-swap; workers
 * follow it and every take is guarded by its revision. So a change holds from the revision that is
 * returned, not from when the workers hear of it: no take at a later revision knows older settings.
 */
import { type Duration, durationMs } from "../base/duration.ts";
import { InvalidOptionsError, WaitTimeoutError } from "../base/errors.ts";
import type { LoopWorld } from "../base/loop.ts";
import { requireKnownKeys, shown } from "../base/options.ts";
import type { Revision, Store } from "../store/store.ts";
import { TaskRunningError } from "../task/failure.ts";
import { requireQueue } from "../task/names.ts";
import type { QueueRecord } from "../task/queue-record.ts";
import { whoAndWhy } from "./cancel.ts";
import { untilDrained } from "./drain.ts";
import { purgeReady, purgeScheduled } from "./purge.ts";
import {
  type QueueOptions,
  readQueueSettings,
  resolveQueueOptions,
  settingsPart,
} from "./queue-settings.ts";
import { listQueues, type QueueView, viewQueue } from "./queue-view.ts";

/** Who pauses a queue, and why. */
export interface PauseOptions {
  /** Up to 500 characters. */
  readonly reason?: string;
  /** Up to 100 characters. */
  readonly by?: string;
}

/** How long to wait until nothing of a queue runs. */
export interface DrainOptions extends PauseOptions {
  /** Default: no limit. From 1 ms to 24 days. */
  readonly timeout?: Duration;
  readonly signal?: AbortSignal;
}

/** What to remove of a queue. */
export interface PurgeOptions {
  /** The queue's name once more. */
  readonly confirm: string;
  /** Also what waits for a time. Looks at all delayed tasks of the store. Default false. */
  readonly includeScheduled?: boolean;
}

/** A change of a queue's settings. */
export interface QueueChange {
  readonly queue: string;
  /** From this revision on they hold; when nothing changed, the one at which they held already. */
  readonly revision: Revision;
  /** False when it was so already. */
  readonly changed: boolean;
}

const TRIES_MAX = 200;
const WAIT_MS_MAX = 24 * 86_400_000;

/** See the essay above. */
export class Queues {
  readonly #store: Store;
  readonly #world: LoopWorld;

  constructor(store: Store, world: LoopWorld) {
    this.#store = store;
    this.#world = world;
  }

  /**
   * Every queue that has waiting or running tasks, a live worker or settings, by name. For people
   * to look at.
   */
  list(): Promise<QueueView[]> {
    return listQueues(this.#store);
  }

  /** One queue, also one that has nothing. */
  get(queue: string): Promise<QueueView> {
    return viewQueue(this.#store, requireQueue(queue));
  }

  /**
   * Stops the taking: nothing of the queue is taken at a later revision than the one returned. What
   * runs goes on, and tasks can be enqueued. Pausing twice changes nothing.
   */
  async pause(queue: string, options: PauseOptions = {}): Promise<QueueChange> {
    requireKnownKeys("pause", options, ["reason", "by"]);
    const said = whoAndWhy(options);
    const paused = () => ({ at: this.#world.clock.now(), ...said });
    return this.#change(requireQueue(queue), (before) =>
      before.paused ? before : { paused: paused(), ...before },
    );
  }

  /** Lets workers take from the queue again. */
  resume(queue: string): Promise<QueueChange> {
    return this.#change(requireQueue(queue), (before) => {
      if (!before.paused) return before;
      const { paused: _over, ...rest } = before;
      return rest;
    });
  }

  /**
   * Pauses the queue and waits until nothing of it runs any more. It stays paused.
   *
   * @throws WaitTimeoutError (`WAIT_TIMEOUT`) when the wait is over first.
   */
  async drain(queue: string, options: DrainOptions = {}): Promise<QueueChange> {
    requireKnownKeys("drain", options, ["reason", "by", "timeout", "signal"]);
    const { timeout, signal, ...pause } = options;
    const ms = timeout === undefined ? undefined : durationMs("timeout", timeout, 1, WAIT_MS_MAX);
    signal?.throwIfAborted();
    const change = await this.pause(queue, pause);
    const over = new AbortController();
    const text = `Tasks of queue ${queue} still ran after ${ms} ms; it stays paused.`;
    const cancel =
      ms === undefined
        ? () => {}
        : this.#world.clock.after(ms, () => over.abort(new WaitTimeoutError(text)));
    const ends = signal ? AbortSignal.any([over.signal, signal]) : over.signal;
    try {
      await untilDrained(this.#store, this.#world, queue, ends);
    } finally {
      cancel();
    }
    return change;
  }

  /**
   * Removes every task that waits in the queue; what runs is left alone, what is enqueued
   * meanwhile stays. Returns how many were removed.
   *
   * @throws InvalidOptionsError (`INVALID_OPTIONS`) unless `confirm` is the queue's name.
   */
  async purge(queue: string, options: PurgeOptions): Promise<number> {
    requireQueue(queue);
    requireKnownKeys("purge", options ?? {}, ["confirm", "includeScheduled"]);
    if (options?.confirm !== queue) {
      throw new InvalidOptionsError(
        `confirm must be the name of the queue to purge, ${shown(queue)}; got ` +
          `${shown(options?.confirm)}. Nothing was removed.`,
      );
    }
    const removed = await purgeReady(this.#store, queue);
    if (options.includeScheduled !== true) return removed;
    return removed + (await purgeScheduled(this.#store, queue));
  }

  /**
   * Sets what holds for all tasks of a queue; `null` takes a setting back, what is left out stays.
   * For retry, timeout and retention the enqueue goes first, then the task's definition, then the
   * queue.
   *
   * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed.
   */
  async configure(queue: string, options: QueueOptions): Promise<QueueChange> {
    return this.#change(requireQueue(queue), resolveQueueOptions(options));
  }

  async #change(queue: string, change: (before: QueueRecord) => QueueRecord): Promise<QueueChange> {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const read = await readQueueSettings(this.#store, queue);
      const next = change(read.record);
      if (JSON.stringify(next) === JSON.stringify(read.record)) {
        return { queue, revision: read.revision, changed: false };
      }
      const [result] = await this.#store.commit([settingsPart(queue, read, next)]);
      if (result?.applied) return { queue, revision: result.revision, changed: true };
    }
    throw new TaskRunningError(`The settings of queue ${queue} kept changing. Try again later.`);
  }
}

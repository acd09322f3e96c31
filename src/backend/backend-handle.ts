import { durationMs } from "../base/duration.ts";
import { WaitTimeoutError } from "../base/errors.ts";
import type { LoopWorld } from "../base/loop.ts";
import { requireKnownKeys } from "../base/options.ts";
import type { Revision, Store } from "../store/store.ts";
import {
  TaskCancelledError,
  TaskExpiredError,
  TaskFailedError,
  TaskNotFoundError,
} from "../task/failure.ts";
import type { Settlement, TaskHandle, WaitOptions } from "../task/handle.ts";
import type { StateRecord } from "../task/records.ts";
import { isFinal } from "../task/state.ts";
import { readTask } from "../task/task-reader.ts";
import { type TaskView, viewOf } from "../task/view.ts";
import type { Waiters } from "./waiters.ts";
import { watchTask } from "./watch-task.ts";

/** What timers can count. */
const WAIT_MS_MAX = 24 * 86_400_000;
const WAIT_OPTIONS = ["timeout", "signal"];

/** What a handle needs from its backend. */
export interface HandleWorld {
  readonly store: Store;
  readonly world: LoopWorld;
  readonly waiters: Waiters;
}

/** A {@link TaskHandle} over a store. */
export class BackendHandle implements TaskHandle {
  readonly id: string;
  readonly revision: Revision;
  readonly created: boolean;
  readonly #backend: HandleWorld;
  /** A revision at which the task is known to exist without having ended. */
  readonly #openAt: Revision | undefined;

  constructor(
    backend: HandleWorld,
    { id, revision, created }: { id: string; revision: Revision; created: boolean },
  ) {
    this.#backend = backend;
    this.id = id;
    this.revision = revision;
    this.created = created;
    this.#openAt = created ? revision : undefined;
  }

  async result(options: WaitOptions = {}): Promise<unknown> {
    requireKnownKeys("result", options, WAIT_OPTIONS);
    const end = await this.settle(options);
    switch (end.state) {
      case "succeeded":
        return end.result;
      case "failed":
        throw new TaskFailedError(this.id, end.error);
      case "cancelled":
        throw new TaskCancelledError(`Task ${this.id} was cancelled.`);
      case "expired":
        throw new TaskExpiredError(`Task ${this.id} was not started in time.`);
    }
  }

  async settle(options: WaitOptions = {}): Promise<Settlement> {
    requireKnownKeys("settle", options, WAIT_OPTIONS);
    const { timeout, signal } = options;
    const ms = timeout === undefined ? undefined : durationMs("timeout", timeout, 1, WAIT_MS_MAX);
    const { clock } = this.#backend.world;
    const over = new AbortController();
    const cancel =
      ms === undefined
        ? () => {}
        : clock.after(ms, () => over.abort(new WaitTimeoutError(this.#waitedText(ms))));
    const ends = signal ? AbortSignal.any([over.signal, signal]) : over.signal;
    try {
      const ended = await this.#backend.waiters.wait(this.id, this.#openAt, ends);
      if (ended === undefined) throw new TaskNotFoundError(this.id);
      return settlementOf(ended);
    } finally {
      cancel();
    }
  }

  async state(): Promise<TaskView> {
    const task = await readTask(this.#backend.store, this.id);
    if (!task) throw new TaskNotFoundError(this.id);
    return viewOf(task);
  }

  async *watch(options: { signal?: AbortSignal } = {}): AsyncGenerator<TaskView, void> {
    requireKnownKeys("watch", options, ["signal"]);
    for await (const view of watchTask(this.#backend.store, this.id, options.signal)) {
      yield view;
      if (isFinal(view.state)) return;
    }
  }

  #waitedText(ms: number): string {
    return `Task ${this.id} had not ended after ${ms} ms; it goes on, only the wait is over.`;
  }
}

function settlementOf({ state, result, error }: StateRecord): Settlement {
  switch (state) {
    case "succeeded":
      return { state, result };
    case "cancelled":
    case "expired":
      return { state };
    default:
      return { state: "failed", error: error ?? { name: "Error", message: "No reason is known." } };
  }
}

import { durationMs } from "../base/duration.ts";
import { WaitTimeoutError } from "../base/errors.ts";
import type { LoopWorld } from "../base/loop.ts";
import { requireKnownKeys } from "../base/options.ts";
import type { Revision, Store } from "../store/store.ts";
import type {
  CancelOptions,
  CancelReceipt,
  RedriveOptions,
  Reschedule,
  TaskControl,
} from "../task/control.ts";
import {
  TaskCancelledError,
  TaskExpiredError,
  TaskFailedError,
  TaskNotFoundError,
} from "../task/failure.ts";
import type { Settlement, TaskHandle, WaitOptions } from "../task/handle.ts";
import { type LogOptions, type LogPage, readLog } from "../task/log.ts";
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
  readonly control: TaskControl;
}

/** Which task a handle is of, and since when. */
export interface HandleFacts {
  readonly id: string;
  readonly revision: Revision;
  readonly created: boolean;
  readonly replaced?: boolean;
}

/** A {@link TaskHandle} over a store. */
export class BackendHandle implements TaskHandle {
  readonly id: string;
  readonly revision: Revision;
  readonly created: boolean;
  readonly enqueued: TaskHandle["enqueued"];
  readonly #backend: HandleWorld;
  /** A revision at which the task is known to exist without having ended. */
  #openAt: Revision | undefined;

  /** `openAt`: see there; known by itself of a task that was created. */
  constructor(
    backend: HandleWorld,
    { id, revision, created, replaced = false }: HandleFacts,
    openAt: Revision | undefined = created ? revision : undefined,
  ) {
    this.#backend = backend;
    this.id = id;
    this.revision = revision;
    this.created = created;
    this.enqueued = created ? "created" : replaced ? "replaced" : "joined";
    this.#openAt = openAt;
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

  log(options?: LogOptions): Promise<LogPage> {
    return readLog(this.#backend.store, this.id, options);
  }

  cancel(options?: CancelOptions): Promise<CancelReceipt> {
    return this.#backend.control.cancel(this.id, options);
  }

  reschedule(when: Reschedule): Promise<Revision> {
    return this.#backend.control.reschedule(this.id, when);
  }

  setPriority(priority: number): Promise<Revision> {
    return this.#backend.control.update(this.id, { priority });
  }

  edit(input: unknown): Promise<Revision> {
    return this.#backend.control.edit(this.id, input);
  }

  async retry(options?: RedriveOptions): Promise<BackendHandle> {
    const { revision } = await this.#backend.control.retry(this.id, options);
    this.#openAt = revision;
    return new BackendHandle(this.#backend, { id: this.id, revision, created: false }, revision);
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

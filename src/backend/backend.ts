import type { LoopWorld } from "../base/loop.ts";
import { requireInteger, requireKnownKeys, requireOneOf } from "../base/options.ts";
import { keyUnchanged } from "../store/part.ts";
import type { Revision, Store } from "../store/store.ts";
import type { Attempt } from "../task/attempt.ts";
import { removeTask } from "../task/change.ts";
import type { TaskControl } from "../task/control.ts";
import { currentRevision } from "../task/current-revision.ts";
import { decodeProgress } from "../task/decode.ts";
import { AttemptStaleError, TaskNotFoundError, TaskRunningError } from "../task/failure.ts";
import { taskKey } from "../task/keyspace.ts";
import { type LogLine, type LogOptions, type LogPage, readLog } from "../task/log.ts";
import { requireId, requireIdPrefix } from "../task/names.ts";
import { clampPercent, progressPart, requireDetail, requirePercent } from "../task/progress.ts";
import type { ProgressRecord } from "../task/records.ts";
import { TASK_STATES, type TaskState } from "../task/state.ts";
import { readOr, readTask } from "../task/task-reader.ts";
import { type ProgressView, type TaskView, viewOf } from "../task/view.ts";
import { BackendHandle, type HandleFacts } from "./backend-handle.ts";
import { followLog } from "./follow-log.ts";
import { listTasks, type TaskPage } from "./list-tasks.ts";
import { Waiters } from "./waiters.ts";
import { type TaskChange, watchTasks } from "./watch-tasks.ts";

/** Which tasks to list. */
export interface ListOptions {
  /** Only tasks whose id begins with this. */
  readonly prefix?: string;
  readonly state?: TaskState;
  /** At most this many, 1 to 1,000. Default 100. */
  readonly limit?: number;
  /** Where the last page ended. */
  readonly cursor?: string;
}

/** What to follow. */
export interface BackendWatchOptions {
  /** Only tasks whose id begins with this. */
  readonly prefix?: string;
  /** Changes after this revision; default: from now on. */
  readonly after?: Revision;
  readonly signal?: AbortSignal;
}

/** Which lines of a log to follow. */
export interface FollowLogOptions extends LogOptions {
  readonly signal?: AbortSignal;
}

/** A report on a running attempt, by whoever runs it. */
export interface ProgressUpdate {
  /** Sets the percentage. */
  readonly percent?: number;
  /** Adds to the percentage. */
  readonly advance?: number;
  readonly detail?: unknown;
}

const TRIES_MAX = 200;

/** The readers' side: what became of tasks, now and as it changes. */
export class Backend {
  readonly #store: Store;
  readonly #world: LoopWorld;
  readonly #control: TaskControl;
  readonly #waiters: Waiters;

  /** `control` does what its handles offer; a `Broker` is one. */
  constructor(store: Store, world: LoopWorld, control: TaskControl) {
    this.#store = store;
    this.#world = world;
    this.#control = control;
    this.#waiters = new Waiters(store, world);
  }

  /** The task, or `undefined` when there is none of this id. */
  async get(id: string): Promise<TaskView | undefined> {
    const task = await readTask(this.#store, requireId(id));
    return task && viewOf(task);
  }

  /**
   * Tasks in the order of their ids, which for generated ids is the order of creation. To list and
   * then follow, watch after the revision of the first page.
   */
  list(options: ListOptions = {}): Promise<TaskPage> {
    requireKnownKeys("list", options, ["prefix", "state", "limit", "cursor"]);
    return listTasks(this.#store, {
      prefix: prefixOf(options.prefix),
      state:
        options.state === undefined ? undefined : requireOneOf("state", options.state, TASK_STATES),
      limit: requireInteger("limit", options.limit ?? 100, 1, 1_000),
      cursor: options.cursor === undefined ? undefined : requireId(options.cursor),
    });
  }

  /**
   * Every change of the tasks whose id begins with `prefix`, in order, gapless, resumable: hand in
   * `resumeAfter` of the last change as `after`. Ends quietly when `signal` aborts.
   *
   * @throws HistoryLostError (`HISTORY_LOST`) when changes after `after` are no longer known.
   */
  async *watch(options: BackendWatchOptions = {}): AsyncGenerator<TaskChange, void> {
    requireKnownKeys("watch", options, ["prefix", "after", "signal"]);
    const prefix = prefixOf(options.prefix);
    const after =
      options.after === undefined
        ? await currentRevision(this.#store)
        : requireInteger("after", options.after, 0, Number.MAX_SAFE_INTEGER);
    yield* watchTasks(this.#store, prefix, after, options.signal);
  }

  /** The last progress of a task, if it reported any. */
  async progress(id: string): Promise<ProgressView | undefined> {
    const entry = await this.#store.get(taskKey(requireId(id), "progress"));
    const record = entry && readOr(entry, decodeProgress);
    return record && { percent: record.percent, detail: record.detail, at: new Date(record.at) };
  }

  /** What is kept of the log of a task; nothing for a task that there is not. */
  log(id: string, options?: LogOptions): Promise<LogPage> {
    return readLog(this.#store, requireId(id), options);
  }

  /**
   * The lines of a task's log and those that come, until the task has ended or `signal` aborts.
   *
   * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed.
   */
  async *followLog(id: string, options: FollowLogOptions = {}): AsyncGenerator<LogLine, void> {
    requireKnownKeys("followLog", options, ["after", "signal"]);
    const after = requireInteger("after", options.after ?? -1, -1, Number.MAX_SAFE_INTEGER);
    const world = { store: this.#store, waiters: this.#waiters };
    yield* followLog(world, requireId(id), after, options.signal);
  }

  /**
   * Records progress of a running attempt, for whoever runs it outside a `Worker`. `percent` sets,
   * `advance` adds to what this attempt reported before; the sum is clamped to 0 to 100 and rounded
   * to 4 decimals. Nothing to change is no write. Concurrent calls add up.
   *
   * @throws TaskNotFoundError (`TASK_NOT_FOUND`) for an unknown id.
   * @throws AttemptStaleError (`ATTEMPT_STALE`) when `attempt.fence` no longer holds the task.
   * @throws TaskRunningError (`TASK_RUNNING`) when others reported faster for each of 200 tries.
   */
  async update(attempt: Pick<Attempt, "id" | "fence">, update: ProgressUpdate): Promise<void> {
    requireKnownKeys("update", update, ["percent", "advance", "detail"]);
    if (update.percent !== undefined) clampPercent(update.percent);
    if (update.advance !== undefined) requirePercent(update.advance);
    requireDetail(update.detail);
    const id = requireId(attempt.id);
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const task = await readTask(this.#store, id);
      if (!task) throw new TaskNotFoundError(id);
      const { state, stateRevision, progressRevision } = task;
      if (stateRevision !== attempt.fence || state?.state !== "running") throw stale(id);
      // What was reported before this attempt was taken is another attempt's.
      const own = progressRevision > attempt.fence ? task.progress : undefined;
      const next = progressAfter(own, update, state.attempt);
      if (!next) return;
      const part = progressPart(attempt, { ...next, at: this.#world.clock.now() });
      const unchanged = keyUnchanged(taskKey(id, "progress"), progressRevision);
      const guarded = { ...part, guards: [...part.guards, unchanged] };
      const [result] = await this.#store.commit([guarded]);
      if (result?.applied) return;
    }
    throw new TaskRunningError(`The progress of task ${id} kept changing. Try again later.`);
  }

  /** Removes a task that waits or has ended; see {@link removeTask}. */
  remove(id: string): Promise<boolean> {
    return removeTask(this.#store, requireId(id));
  }

  /** A handle of a task that was enqueued earlier or elsewhere. */
  handle(receipt: HandleFacts): BackendHandle {
    const parts = {
      store: this.#store,
      world: this.#world,
      waiters: this.#waiters,
      control: this.#control,
    };
    return new BackendHandle(parts, receipt);
  }

  /** Fails all waits with `STORE_CLOSED`. */
  close(): Promise<void> {
    return this.#waiters.close();
  }
}

function prefixOf(prefix: unknown): string {
  return prefix === undefined || prefix === "" ? "" : requireIdPrefix(prefix, "prefix");
}

/** What an attempt's progress becomes; `undefined` when that is what it is already. */
function progressAfter(
  own: ProgressRecord | undefined,
  { percent, advance, detail }: ProgressUpdate,
  attempt: number,
): Omit<ProgressRecord, "at"> | undefined {
  const base = percent ?? own?.percent ?? 0;
  const next = clampPercent(base + (advance ?? 0));
  const asked = percent !== undefined || advance !== undefined;
  const same = own ? next === own.percent : !asked;
  if (detail === undefined && same) return undefined;
  const shownDetail = detail ?? own?.detail;
  return { percent: next, ...(shownDetail === undefined ? {} : { detail: shownDetail }), attempt };
}

function stale(id: string): AttemptStaleError {
  return new AttemptStaleError(`The attempt no longer holds task ${id}; nothing was written.`);
}

import { InvalidOptionsError } from "../base/errors.ts";
import { createIdSource, type IdSource } from "../base/ids.ts";
import { requireJson } from "../base/json.ts";
import type { LoopWorld } from "../base/loop.ts";
import { requireInteger, requireKnownKeys, shown } from "../base/options.ts";
import { TurnByKey } from "../base/turn-by-key.ts";
import { afterKey, inRange, type KeyRange } from "../store/range.ts";
import type { PartResult, Revision, Store } from "../store/store.ts";
import { changeTask, removeTask } from "../task/change.ts";
import { claimOf } from "../task/claim.ts";
import type {
  CancelOptions,
  CancelReceipt,
  EditOptions,
  RedriveOptions,
  RedriveReceipt,
  Reschedule,
  TaskControl,
} from "../task/control.ts";
import { decodeReady } from "../task/decode.ts";
import type { EnqueueRequest } from "../task/enqueuer.ts";
import type { TaskHandle } from "../task/handle.ts";
import { parseWith } from "../task/input.ts";
import { parseReadyKey, readyRange } from "../task/keyspace.ts";
import { requireId, requireQueue } from "../task/names.ts";
import { Registry } from "../task/registry.ts";
import { readOr } from "../task/task-reader.ts";
import { cancelTask } from "./cancel.ts";
import { requireFree } from "./claim-holder.ts";
import { Consumer, type TakenTask } from "./consumer.ts";
import {
  type DeadLetterListOptions,
  type DeadLetterPage,
  listDeadLetters,
} from "./dead-letters.ts";
import { type Edit, editPart, resolveEdit, resolveReschedule } from "./edit.ts";
import { type EnqueueReceipt, enqueuePart, receiptOf } from "./enqueue.ts";
import { enqueueClaimed } from "./enqueue-claimed.ts";
import { enqueueMany, type HandleMaker } from "./enqueue-many.ts";
import { listQueues, type QueueView } from "./queue-view.ts";
import { redrivePart } from "./redrive.ts";
import {
  checkRetryMany,
  type RetryManyOptions,
  type RetryManyReport,
  retryMany,
} from "./retry-many.ts";
import { type EncodedSpec, encodeSpec, requirePayload } from "./spec.ts";
import { listWorkers, type WorkerView } from "./worker-view.ts";

/** A task that waits, as {@link Broker.list} shows it. */
export interface WaitingTask {
  readonly id: string;
  readonly name: string;
  readonly queue: string;
  readonly priority: number;
  /** Attempts begun before. */
  readonly attempt: number;
}

/** One page of waiting tasks. `cursor` continues the listing; absent on the last page. */
export interface WaitingPage {
  readonly tasks: readonly WaitingTask[];
  readonly cursor: string | undefined;
}

/**
 * The producers' side: puts tasks into queues and works on those that wait.
 *
 * Every method is one guarded commit, or repeats one until it holds, so any number of callers in
 * any number of processes may use it at once.
 */
export class Broker implements TaskControl {
  readonly #store: Store;
  readonly #world: LoopWorld;
  readonly #payloadBytesMax: number;
  readonly #registry: Registry;
  readonly #nextSequence: IdSource;
  readonly #consumer: Consumer;
  readonly #turns = new TurnByKey();

  /** Inputs are checked against the schemas of the tasks in `registry`. */
  constructor(
    store: Store,
    world: LoopWorld,
    payloadBytesMax: number,
    registry: Registry = new Registry([]),
  ) {
    this.#store = store;
    this.#world = world;
    this.#payloadBytesMax = payloadBytesMax;
    this.#registry = registry;
    this.#nextSequence = createIdSource(world.clock, world.random);
    this.#consumer = new Consumer(store, world, payloadBytesMax);
  }

  /**
   * Accepts a task; resolves when it is durable.
   *
   * @throws NotJsonError, PayloadTooLargeError before anything is written.
   * @throws StoreNearlyFullError (`STORE_NEARLY_FULL`) when the store has no room for new tasks.
   * @throws StoreError when it was not, or not certainly, accepted.
   */
  async enqueue(request: EnqueueRequest): Promise<EnqueueReceipt> {
    return this.#enqueue(this.#encode(request));
  }

  /**
   * Accepts any number of tasks, in order, see `broker/enqueue-many.ts` and `broker/bulk.ts`.
   *
   * @throws EnqueuePartialError (`ENQUEUE_PARTIAL`) when some did not certainly land.
   */
  async enqueueMany(
    requests: readonly EnqueueRequest[],
    handleOf: HandleMaker,
  ): Promise<TaskHandle[]> {
    const specs = requests.map((request, index) => this.#encode(request, `[${index}]`));
    const one = (encoded: EncodedSpec) => this.#enqueue(encoded);
    return enqueueMany({ store: this.#store, one, handleOf }, specs);
  }

  /**
   * Takes one waiting task by its id, for a consumer that is not a `Worker`. The returned task is
   * held until it is finished or given back; if this process dies, it goes back to its queue.
   *
   * Returns `undefined` when the task does not wait, or somebody else was faster.
   * @throws TaskNotFoundError (`TASK_NOT_FOUND`) when there is no such task.
   */
  dequeue(id: string): Promise<TakenTask | undefined> {
    return this.#consumer.take(requireId(id));
  }

  /**
   * Changes a waiting task: its queue or priority, its input, when it becomes ready; all at once or
   * not at all. It keeps its place in time.
   *
   * @throws TaskNotFoundError (`TASK_NOT_FOUND`), TaskRunningError (`TASK_RUNNING`) or
   *   TaskEndedError (`TASK_ENDED`) when it does not wait (any more).
   * @throws InvalidInputError, NotJsonError or PayloadTooLargeError before anything is written.
   */
  async update(id: string, change: EditOptions): Promise<Revision> {
    const edit = resolveEdit("update", change, this.#world.clock.now());
    return this.#edit(id, edit);
  }

  /** Changes when a waiting task becomes ready; see `TaskHandle.reschedule`. */
  async reschedule(id: string, when: Reschedule): Promise<Revision> {
    return this.#edit(id, { dueAt: resolveReschedule(when, this.#world.clock.now()) });
  }

  /** Gives a waiting task another input; see `TaskHandle.edit`. */
  async edit(id: string, input: unknown): Promise<Revision> {
    return this.#edit(id, { input: { value: input } });
  }

  /**
   * Cancels a task: at once when it waits, through its worker when it runs. See `broker/cancel.ts`.
   *
   * @throws TaskNotFoundError (`TASK_NOT_FOUND`) when there is no such task.
   */
  cancel(id: string, options?: CancelOptions): Promise<CancelReceipt> {
    return cancelTask(this.#store, this.#world, id, options);
  }

  /**
   * Runs a task that has ended once more, as a new generation of the same id; see
   * `broker/redrive.ts`.
   *
   * @throws TaskNotFoundError (`TASK_NOT_FOUND`), or TaskNotEndedError (`TASK_NOT_ENDED`).
   * @throws TaskNotUniqueError (`TASK_NOT_UNIQUE`) when another task has its `unique` key.
   */
  async retry(id: string, options: RedriveOptions = {}): Promise<RedriveReceipt> {
    const now = this.#world.clock.now();
    const edit = resolveEdit("retry", options, now);
    this.#requireInput(edit);
    const sequence = this.#nextSequence();
    const { answer, revision } = await changeTask(this.#store, requireId(id), async (task) => {
      const at = this.#world.clock.now();
      const claimSeen = await requireFree(this.#store, task.spec, at);
      const part = redrivePart(task, edit, { at, sequence, claimSeen });
      await this.#parseInput(task.spec.name, edit);
      return { part, answer: (task.state?.generation ?? 1) + 1 };
    });
    return { id, revision, generation: answer };
  }

  /**
   * Runs failed tasks once more, chosen by a filter; see `broker/retry-many.ts`.
   *
   * @throws InvalidOptionsError, InvalidInputError, NotJsonError or PayloadTooLargeError; an input
   *   is checked per kind of task, when the first of the kind comes up.
   */
  async retryMany(options: RetryManyOptions = {}): Promise<RetryManyReport> {
    checkRetryMany(options);
    const { clock } = this.#world;
    const { change = {} } = options;
    const edit = resolveEdit("retryMany change", change, clock.now());
    this.#requireInput(edit);
    const checked = new Map<string, Promise<void>>();
    const editFor = async (name: string) => {
      if (!checked.has(name)) checked.set(name, this.#parseInput(name, edit));
      await checked.get(name);
      return edit;
    };
    const nextSequence = this.#nextSequence;
    return retryMany({ store: this.#store, clock, nextSequence, editFor }, options);
  }

  /** Failed tasks, from their own index: by queue, the oldest failure of each first. */
  deadLetters(options: DeadLetterListOptions = {}): Promise<DeadLetterPage> {
    return listDeadLetters(this.#store, options);
  }

  /** Removes a task that waits or has ended; see {@link removeTask}. */
  remove(id: string): Promise<boolean> {
    return removeTask(this.#store, requireId(id));
  }

  /** Waiting tasks of a queue, or of all, in key order: by shard, then in the order of taking. */
  async list(
    options: { queue?: string; limit?: number; cursor?: string } = {},
  ): Promise<WaitingPage> {
    requireKnownKeys("list", options, ["queue", "limit", "cursor"]);
    const limit = requireInteger("limit", options.limit ?? 100, 1, 1_000);
    const range = readyRange(options.queue === undefined ? undefined : requireQueue(options.queue));
    const start =
      options.cursor === undefined ? range.start : afterKey(cursorIn(range, options.cursor));
    const page = await this.#store.range({ start, end: range.end }, { limit });
    const tasks = page.entries.flatMap((entry) => {
      const position = parseReadyKey(entry.key);
      const record = readOr(entry, decodeReady);
      if (!position || !record) return [];
      const { queue, priority } = position;
      return [{ id: record.id, name: record.name, queue, priority, attempt: record.attempt ?? 0 }];
    });
    return { tasks, cursor: page.more ? page.entries.at(-1)?.key : undefined };
  }

  /**
   * Every queue that has waiting or running tasks or a live worker, by name. For people to look at.
   */
  queues(): Promise<QueueView[]> {
    return listQueues(this.#store);
  }

  /** Every live worker, in the order in which they registered. For people to look at. */
  workers(): Promise<WorkerView[]> {
    return listWorkers(this.#store);
  }

  /** Gives back what was dequeued and not finished. */
  close(): Promise<void> {
    return this.#consumer.close();
  }

  async #enqueue(encoded: EncodedSpec): Promise<EnqueueReceipt> {
    const { spec, bytes, debounce } = encoded;
    const claim = claimOf(spec);
    if (claim === undefined) {
      const [result] = await this.#store.commit([enqueuePart(spec, bytes)]);
      return receiptOf(spec.id, result as PartResult);
    }
    const enqueue = () => enqueueClaimed(this.#store, this.#world.clock, encoded);
    // Each call of a debounce changes the same task: at once they would only refuse each other.
    return debounce ? this.#turns.pass(claim, enqueue) : enqueue();
  }

  async #edit(id: string, edit: Edit): Promise<Revision> {
    this.#requireInput(edit);
    const { revision } = await changeTask(this.#store, requireId(id), async (task) => {
      const part = editPart(task, edit, this.#world.clock.now());
      await this.#parseInput(task.spec.name, edit);
      return { part, answer: undefined };
    });
    return revision;
  }

  #requireInput({ input }: Edit): void {
    if (input?.value === undefined) return;
    requireJson("input", input.value);
    requirePayload("The input", input.value, this.#payloadBytesMax);
  }

  async #parseInput(name: string, { input }: Edit): Promise<void> {
    if (!input) return;
    await parseWith(this.#registry.find(name)?.input, `input of ${name}`, input.value);
  }

  #encode(request: EnqueueRequest, at = ""): EncodedSpec {
    return encodeSpec(request, {
      sequence: this.#nextSequence(),
      createdAt: this.#world.clock.now(),
      payloadBytesMax: this.#payloadBytesMax,
      at,
    });
  }
}

function cursorIn(range: KeyRange, cursor: unknown): string {
  if (typeof cursor === "string" && parseReadyKey(cursor) && inRange(range, cursor)) return cursor;
  throw new InvalidOptionsError(
    `cursor must be one that a listing of the same queue gave; got ${shown(cursor)}.`,
  );
}

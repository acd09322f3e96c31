import { Backend } from "./backend/backend.ts";
import type { Clock } from "./base/clock.ts";
import { systemClock } from "./base/clock.ts";
import { InvalidOptionsError } from "./base/errors.ts";
import { requireInteger, requireKnownKeys, shown } from "./base/options.ts";
import { type Random, systemRandom } from "./base/random.ts";
import { Beat } from "./beat/beat.ts";
import { type BeatOptions, resolveBeatOptions } from "./beat/beat-options.ts";
import { Broker } from "./broker/broker.ts";
import { Queues } from "./broker/queues.ts";
import { declareSchedules } from "./schedule/declare-schedules.ts";
import { type DeclaredSchedule, requireDeclared } from "./schedule/define-schedule.ts";
import { Schedules } from "./schedule/schedules.ts";
import { openStore } from "./store/open-store.ts";
import type { Store } from "./store/store.ts";
import { parseStoreUrl, StoreUrlError } from "./store/store-url.ts";
import { resolveClaim } from "./task/claim.ts";
import type { DelayOptions } from "./task/enqueue-options.ts";
import { resolveDelayOptions } from "./task/enqueue-options.ts";
import type { EnqueueRequest, Enqueuer } from "./task/enqueuer.ts";
import type { TaskHandle } from "./task/handle.ts";
import { parseWith } from "./task/input.ts";
import { ensureSchema } from "./task/meta.ts";
import { requireId, requireTaskName } from "./task/names.ts";
import { Registry } from "./task/registry.ts";
import type { RegisteredTask } from "./task/task.ts";
import { Worker } from "./worker/worker.ts";
import type { WorkerOptions } from "./worker/worker-options.ts";

/** What an app is made of. */
export interface AppOptions {
  /**
   * A store's URL, or a store that is open already and is not closed with the app. Default: the
   * environment variable `ETASK_STORE`, else `embedded:./.etask`.
   */
  readonly store?: string | Store;
  /**
   * Whose the declared schedules are, where several apps share a store. 1 to 100 of letters, digits
   * and `_ . -`. Default `"default"`.
   */
  readonly name?: string;
  /** What `defineSchedule(…)` returns; stored when the app opens. */
  readonly schedules?: readonly DeclaredSchedule[];
  /** The tasks that this app knows. A producer may know fewer than there are. */
  readonly tasks?: readonly RegisteredTask[];
  /**
   * Whether worker processes of this app may lead the Beat, and how. Default: they may; `false`
   * leaves it to others.
   */
  readonly beat?: boolean | BeatOptions;
  /** Largest input and largest result, as JSON. Default 256 KiB, at most 1 MiB. */
  readonly payloadBytesMax?: number;
  /** Time and chance, for tests. Default: the real ones. */
  readonly clock?: Clock;
  readonly random?: Random;
}

/** The store when neither the program nor the environment names one. */
export const DEFAULT_STORE = "embedded:./.etask";

const OPTIONS = [
  "store",
  "name",
  "tasks",
  "schedules",
  "beat",
  "payloadBytesMax",
  "clock",
  "random",
];
const DEFAULT_APP = "default";
const PAYLOAD_BYTES_DEFAULT = 262_144;
const PAYLOAD_BYTES_LIMIT = 1_048_576;

/** Tasks joined with a store: the root of everything. Close it when done, or use `await using`. */
export class App implements AsyncDisposable {
  readonly store: Store;
  readonly broker: Broker;
  readonly backend: Backend;
  /** Pause, drain, purge and configure queues. */
  readonly queues: Queues;
  /** Periodic tasks. */
  readonly schedules: Schedules;
  readonly registry: Registry;
  readonly #world: { clock: Clock; random: Random };
  readonly #payloadBytesMax: number;
  readonly #ownsStore: boolean;
  readonly #unbinds: (() => void)[];
  readonly #workers = new Set<Worker>();
  readonly #beatOptions: BeatOptions | undefined;
  readonly #beats = new Set<Beat>();
  readonly #enqueuer: Enqueuer;
  #closed: Promise<void> | undefined;

  /** Use {@link createApp}. */
  constructor(
    store: Store,
    registry: Registry,
    options: {
      clock: Clock;
      random: Random;
      payloadBytesMax: number;
      ownsStore: boolean;
      beat: BeatOptions | undefined;
    },
  ) {
    const { clock, random, payloadBytesMax, ownsStore } = options;
    this.store = store;
    this.registry = registry;
    this.#world = { clock, random };
    this.#payloadBytesMax = payloadBytesMax;
    this.#ownsStore = ownsStore;
    this.broker = new Broker(store, this.#world, payloadBytesMax, registry);
    this.queues = new Queues(store, this.#world);
    this.backend = new Backend(store, this.#world, this.broker);
    this.#beatOptions = options.beat;
    this.schedules = new Schedules(store, this.#world, {
      find: (name) => registry.find(name),
      handle: (receipt) => this.backend.handle(receipt),
    });
    this.#enqueuer = {
      enqueue: async (request) => this.backend.handle(await this.broker.enqueue(request)),
      enqueueMany: (requests) =>
        this.broker.enqueueMany(requests, (receipt) => this.backend.handle(receipt)),
      handle: (id) => this.handle(id),
    };
    this.#unbinds = registry.tasks.map((task) => task.bind(this.#enqueuer));
  }

  /**
   * Enqueues a task by its name, also one that this app does not know; the input is checked here
   * only when it does. `task.delay()` is the typed way.
   */
  async enqueue(name: string, input?: unknown, options?: DelayOptions): Promise<TaskHandle> {
    const task = this.registry.find(requireTaskName(name));
    const resolved = resolveDelayOptions(task ?? {}, options);
    const parsed = await parseWith(task?.input, `input of ${name}`, input);
    const claim = resolveClaim(task ?? {}, options ?? {}, parsed);
    const request: EnqueueRequest = { name, input, options: resolved, claim };
    return this.#enqueuer.enqueue(request);
  }

  /** A handle of a task that was enqueued before or elsewhere. Nothing is read until it is used. */
  handle(id: string): TaskHandle {
    return this.backend.handle({ id: requireId(id), revision: 0, created: false });
  }

  /**
   * A worker over this app's tasks; `start()` or `run()` it. The app stops it when it closes.
   *
   * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed, or when
   *   the app has no tasks.
   */
  createWorker(options?: WorkerOptions): Worker {
    if (this.registry.names.length === 0) {
      throw new InvalidOptionsError("A worker needs tasks: list them in createApp({ tasks }).");
    }
    if (this.#closed) throw new InvalidOptionsError("The app is closed; create the worker before.");
    const parts = {
      store: this.store,
      world: this.#world,
      registry: this.registry,
      resultBytesMax: this.#payloadBytesMax,
    };
    const worker = new Worker(parts, options);
    this.#workers.add(worker);
    if (this.#beatOptions && this.#beats.size === 0) this.createBeat().start();
    return worker;
  }

  /**
   * A Beat for this app's store; `start()` or `run()` it. The app stops it when it closes. Workers
   * bring one along by themselves, unless the app was told `beat: false`.
   */
  createBeat(): Beat {
    if (this.#closed) throw new InvalidOptionsError("The app is closed; create the Beat before.");
    const beat = new Beat(this.store, this.#world, this.#beatOptions);
    this.#beats.add(beat);
    return beat;
  }

  /** Stops the workers, ends all waits, closes the store if the app opened it. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #end(): Promise<void> {
    for (const unbind of this.#unbinds) unbind();
    await Promise.all([...this.#workers].map((worker) => worker.stop()));
    await Promise.all([...this.#beats].map((beat) => beat.stop()));
    await this.broker.close();
    await this.backend.close();
    if (this.#ownsStore) await this.store.close();
  }
}

/**
 * Opens the store and joins it with the tasks.
 *
 * @throws InvalidOptionsError, StoreUrlError, TaskDuplicateError before anything is opened.
 * @throws StoreError when the store cannot be reached or must not be used.
 * @throws InvalidScheduleError, ScheduleConflictError when a declared schedule cannot be stored.
 * @throws SchemaVersionError (`SCHEMA_VERSION`) when another version of etask laid it out.
 */
export async function createApp(options: AppOptions = {}): Promise<App> {
  requireKnownKeys("createApp", options, OPTIONS);
  const { clock = systemClock, random = systemRandom } = options;
  const { schedules = [], name = DEFAULT_APP } = options;
  requireDeclared(schedules);
  requireTaskName(name, "name");
  const registry = new Registry(requireTasks(options.tasks ?? []));
  const payloadBytesMax = requireInteger(
    "payloadBytesMax",
    options.payloadBytesMax ?? PAYLOAD_BYTES_DEFAULT,
    1,
    PAYLOAD_BYTES_LIMIT,
  );
  const beat = beatOf(options.beat);
  const given = requireStore(options.store ?? storeOfEnvironment());
  const ownsStore = typeof given === "string";
  const store = ownsStore ? await openStore(given, { clock, random }) : given;
  try {
    await ensureSchema(store, clock);
    if (schedules.length > 0) {
      const find = (task: string) => registry.find(task);
      await declareSchedules(store, { clock, random }, name, schedules, find);
    }
  } catch (error) {
    if (ownsStore) await store.close().catch(() => {});
    throw error;
  }
  return new App(store, registry, { clock, random, payloadBytesMax, ownsStore, beat });
}

/** `undefined`: the app's workers bring no Beat. */
function beatOf(given: AppOptions["beat"] = true): BeatOptions | undefined {
  if (given === false) return undefined;
  const options = given === true ? {} : given;
  resolveBeatOptions(options);
  return options;
}

function storeOfEnvironment(): string {
  const url = process.env.ETASK_STORE || DEFAULT_STORE;
  try {
    parseStoreUrl(url);
    return url;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StoreUrlError(`In the environment variable ETASK_STORE: ${reason}`, { cause: error });
  }
}

function requireStore(store: unknown): string | Store {
  if (typeof store === "string") return store;
  if (typeof (store as Partial<Store> | null)?.commit === "function") return store as Store;
  throw new InvalidOptionsError(
    `store must be a store URL or an open store (see openStore); got ${shown(store)}.`,
  );
}

function requireTasks(tasks: unknown): readonly RegisteredTask[] {
  if (Array.isArray(tasks)) return tasks;
  throw new InvalidOptionsError(`tasks must be a list of tasks; got ${shown(tasks)}.`);
}

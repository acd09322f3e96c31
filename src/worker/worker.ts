import { InvalidOptionsError } from "../base/errors.ts";
import { type LoopWorld, runLoop } from "../base/loop.ts";
import { requireKnownKeys } from "../base/options.ts";
import { stoppedBySignals } from "../base/stop-signals.ts";
import type { Store } from "../store/store.ts";
import type { Registry } from "../task/registry.ts";
import type { HostMeter } from "./host/host-meter.ts";
import { beginIncarnation, type Incarnation, type WorkerWorld } from "./incarnation.ts";
import { refuseInRunner } from "./isolation/in-runner.ts";
import { Isolation } from "./isolation/isolation.ts";
import { QueueUsage } from "./queue-usage.ts";
import { IdleWork } from "./room/idle-work.ts";
import { RoomWatch } from "./room/room-watch.ts";
import { Autoscaler } from "./scale/autoscaler.ts";
import { Slots } from "./slots.ts";
import { concurrencyMax, resolveWorkerOptions, type WorkerOptions } from "./worker-options.ts";

/** What a worker works with; `app.ts` provides it. */
export interface WorkerParts {
  readonly store: Store;
  readonly world: LoopWorld;
  readonly registry: Registry;
  readonly resultBytesMax: number;
  /** What to measure the host with, for tests; default: the real host. */
  readonly openMeter?: () => HostMeter;
}

/**
 * Takes tasks from queues and runs them, `concurrency` at once, in this process.
 *
 * ```ts
 * await using worker = app.createWorker({ concurrency: 10 });
 * await worker.run();
 * ```
 */
export class Worker implements AsyncDisposable {
  readonly #with: WorkerWorld;
  readonly #stop = new AbortController();
  readonly #giveUp = new AbortController();
  readonly #scaler: Autoscaler | undefined;
  #current: Incarnation | undefined;
  #started: Promise<void> | undefined;
  #lives: Promise<void> | undefined;

  /**
   * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed.
   * @throws NotInRunnerError (`NOT_IN_RUNNER`) in a runner of isolated tasks.
   */
  constructor(parts: WorkerParts, given?: WorkerOptions) {
    refuseInRunner();
    const options = resolveWorkerOptions(given);
    const slots = new Slots(options.concurrency, () => this.#current?.ring());
    const isolation = new Isolation({
      ...parts,
      options: options.isolation,
      sizeMax: concurrencyMax(options),
    });
    const { clock } = parts.world;
    this.#scaler = options.scale && new Autoscaler(slots, options.scale, clock);
    const work = new IdleWork();
    const room = new RoomWatch({
      ...parts,
      limits: options.idle,
      work,
      sampled: () => this.#sampled(),
    });
    const usage = new QueueUsage();
    const giveUp = this.#giveUp.signal;
    this.#with = { ...parts, options, slots, isolation, usage, room, idleWork: work, giveUp };
  }

  /** Under which this worker is registered now; a new one after each loss of its lease. */
  get id(): string | undefined {
    return this.#current?.worker;
  }

  /** Tasks taken and not finished. */
  get running(): number {
    return this.#current?.running ?? 0;
  }

  /**
   * Registers the worker and begins to take tasks. Resolves when it is registered. Idempotent.
   *
   * @throws StoreError when the store cannot be reached, and may be called again; later outages are
   *   survived.
   * @throws TaskNotLoadableError (`TASK_NOT_LOADABLE`) naming the isolated tasks that no runner can
   *   load.
   * @throws InvalidOptionsError (`INVALID_OPTIONS`) after `stop()`.
   */
  start(): Promise<void> {
    if (this.#stop.signal.aborted && !this.#started) {
      return Promise.reject(
        new InvalidOptionsError("A stopped worker cannot be started; make one."),
      );
    }
    this.#started ??= this.#begin().catch((error: unknown) => {
      this.#started = undefined;
      throw error;
    });
    return this.#started;
  }

  /**
   * Stops: takes nothing more, waits for the running tasks up to `drain`, gives the rest back with
   * the attempt not counted, leaves. Idempotent; a worker that was stopped cannot be started again.
   */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#started?.catch(() => {});
    await this.#lives;
    this.#giveUp.abort();
    await this.#with.isolation.close();
  }

  /**
   * Starts, and stops at SIGTERM or SIGINT or when `signal` aborts. Resolves when it has stopped.
   */
  async run(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    requireKnownKeys("worker.run", options, ["signal"]);
    const stop = () => this.#stop.abort();
    await stoppedBySignals(stop, options.signal, async () => {
      if (!this.#stop.signal.aborted) await this.start();
      await this.#lives;
      await this.stop();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #begin(): Promise<void> {
    await this.#with.isolation.warmUp(this.#with.registry.tasks);
    const first = await beginIncarnation(this.#with);
    this.#current = first;
    this.#lives = this.#live(first);
  }

  /** The host was looked at. */
  #sampled(): void {
    const { sample } = this.#with.room;
    const current = this.#current;
    if (!current) return;
    if (sample) this.#scaler?.step(sample, current.wantsSlots, current.worker);
    current.sampled();
  }

  async #live(first: Incarnation): Promise<void> {
    const watching = this.#watch();
    await this.#liveOn(first);
    await watching;
  }

  /** Looks at the host, if anything depends on it. */
  async #watch(): Promise<void> {
    const { world, room, options } = this.#with;
    if (!options.idle && !options.scale) return;
    await runLoop("room", world, this.#stop.signal, (signal) => room.run(signal));
  }

  async #liveOn(first: Incarnation): Promise<void> {
    const { world } = this.#with;
    await first.live(this.#stop.signal);
    await runLoop("worker", world, this.#stop.signal, async (signal) => {
      while (!signal.aborted) {
        this.#current = await beginIncarnation(this.#with);
        await this.#current.live(signal);
      }
    });
  }
}

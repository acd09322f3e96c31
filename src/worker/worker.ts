import { InvalidOptionsError } from "../base/errors.ts";
import { type LoopWorld, runLoop } from "../base/loop.ts";
import { requireKnownKeys } from "../base/options.ts";
import { stoppedBySignals } from "../base/stop-signals.ts";
import type { Store } from "../store/store.ts";
import type { Registry } from "../task/registry.ts";
import { beginIncarnation, type Incarnation, type WorkerWorld } from "./incarnation.ts";
import { QueueUsage } from "./queue-usage.ts";
import { Slots } from "./slots.ts";
import { resolveWorkerOptions, type WorkerOptions } from "./worker-options.ts";

/** What a worker works with; `app.ts` provides it. */
export interface WorkerParts {
  readonly store: Store;
  readonly world: LoopWorld;
  readonly registry: Registry;
  readonly resultBytesMax: number;
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
  #current: Incarnation | undefined;
  #started: Promise<void> | undefined;
  #lives: Promise<void> | undefined;

  /** @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed. */
  constructor(parts: WorkerParts, given?: WorkerOptions) {
    const options = resolveWorkerOptions(given);
    const slots = new Slots(options.concurrency, () => this.#current?.ring());
    this.#with = { ...parts, options, slots, usage: new QueueUsage(), giveUp: this.#giveUp.signal };
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
    const first = await beginIncarnation(this.#with);
    this.#current = first;
    this.#lives = this.#live(first);
  }

  async #live(first: Incarnation): Promise<void> {
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

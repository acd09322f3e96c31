import { type LoopWorld, runLoop } from "../base/loop.ts";
import type { Store } from "../store/store.ts";
import { runPromoter } from "./promoter.ts";
import { runSweeper } from "./sweeper.ts";

/**
 * The loops that keep time for the whole system: promotion of due tasks, sweeping of finished ones.
 * Every worker process runs them; all of what they do is guarded, so many at once do no harm.
 */
export class Beat implements AsyncDisposable {
  readonly #store: Store;
  readonly #world: LoopWorld;
  readonly #ending = new AbortController();
  #loops: Promise<unknown> | undefined;

  constructor(store: Store, world: LoopWorld) {
    this.#store = store;
    this.#world = world;
  }

  /** Starts the loops. Idempotent. */
  start(): void {
    const { signal } = this.#ending;
    this.#loops ??= Promise.all([
      runLoop("promoter", this.#world, signal, (ends) =>
        runPromoter(this.#store, this.#world, ends),
      ),
      runLoop("sweeper", this.#world, signal, (ends) => runSweeper(this.#store, this.#world, ends)),
    ]);
  }

  /** Ends the loops and waits for them. Idempotent. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#loops;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

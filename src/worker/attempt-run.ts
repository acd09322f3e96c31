import type { CancelTimer } from "../base/clock.ts";
import type { LoopWorld } from "../base/loop.ts";
import type { Outcome } from "../broker/finish.ts";
import type { Write } from "../store/part.ts";
import type { Store } from "../store/store.ts";
import type { Attempt } from "../task/attempt.ts";
import type { AbortReason } from "../task/failure.ts";
import type { CancelRecord, SpecRecord } from "../task/records.ts";
import type { RegisteredTask } from "../task/task.ts";
import { AttemptAbort } from "./attempt-abort.ts";
import type { Killable } from "./isolation/isolation.ts";
import { LogWriter } from "./log-writer.ts";
import { ProgressReporter } from "./progress-reporter.ts";

/** What an attempt needs besides itself. */
export interface AttemptRunWorld {
  readonly store: Store;
  readonly world: LoopWorld;
  readonly giveUp: AbortSignal;
}

/** What is to be known of an attempt while it runs. */
export interface AttemptRunEvents {
  /** The store refused what the handler reported: the attempt has lost its task. */
  stale(what: "progress" | "log"): void;
}

/** One attempt while it runs here: what is known of it, and what was decided. */
export class AttemptRun implements Killable {
  readonly attempt: Attempt;
  readonly task: RegisteredTask | undefined;
  readonly progress: ProgressReporter;
  spec: SpecRecord | undefined;
  /** The size of the spec's record. */
  specBytes: number;
  /** Somebody wants the task cancelled. */
  wish: CancelRecord | undefined;
  /** The task as a whole has taken longer than it may. */
  overall = false;
  /** The handler has ended, or was not started. */
  handlerEnded = false;
  kill: (() => void) | undefined;
  /** Once the outcome is decided: whether it landed. Nothing else may be recorded. */
  recorded: Promise<boolean> | undefined;
  readonly #with: AttemptRunWorld;
  readonly #events: AttemptRunEvents;
  readonly #abort = new AttemptAbort();
  #log: LogWriter | undefined;
  #timers: CancelTimer[] | undefined;
  #handlerDone: Promise<void> = Promise.resolve();
  #cut: ((outcome: Outcome) => void) | undefined;

  constructor(
    attempt: Attempt,
    task: RegisteredTask | undefined,
    world: AttemptRunWorld,
    events: AttemptRunEvents,
  ) {
    this.attempt = attempt;
    this.task = task;
    this.spec = attempt.ready.spec;
    this.specBytes = attempt.bytes;
    this.#with = world;
    this.#events = events;
    this.progress = new ProgressReporter(world.store, world.world, attempt, () =>
      this.#lose("progress"),
    );
  }

  /** Takes text for the task's log. */
  log(text: string): void {
    this.#log ??= new LogWriter({ ...this.#with, stale: () => this.#lose("log") }, this.attempt);
    this.#log.add(text);
  }

  /** The attempt as it ends: its state tells whether anything was logged. */
  get ending(): Attempt {
    const { attempt } = this;
    return this.#log ? { ...attempt, state: { ...attempt.state, logged: 1 } } : attempt;
  }

  /** Stops what is written beside the outcome. Returns the writes that the outcome must carry. */
  async close(): Promise<readonly Write[]> {
    const progress = this.progress.close();
    return this.#log ? [...progress, ...(await this.#log.close())] : progress;
  }

  #lose(what: "progress" | "log"): void {
    this.#events.stale(what);
    this.abort("lease-lost");
  }

  /** Aborts when the handler must stop. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Why the handler was told to stop. */
  get aborted(): AbortReason | undefined {
    return this.#abort.reason;
  }

  /** Tells the handler to stop. The first reason stays. */
  abort(reason: AbortReason): void {
    this.#abort.abort(reason);
  }

  /** The outcome: what `handler` comes to, or what {@link end} says before that. */
  decided(handler: () => Promise<Outcome>): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.#cut = resolve;
      this.#handlerDone = this.#see(handler, resolve, reject);
    });
  }

  async #see(
    handler: () => Promise<Outcome>,
    resolve: (outcome: Outcome) => void,
    reject: (error: unknown) => void,
  ): Promise<void> {
    try {
      const outcome = await handler();
      this.handlerEnded = true;
      resolve(outcome);
    } catch (error) {
      this.handlerEnded = true;
      reject(error);
    }
  }

  /** Resolves when the handler has ended. */
  get handlerDone(): Promise<void> {
    return this.#handlerDone;
  }

  /** Ends the attempt without waiting for its handler. Without effect when it is decided. */
  end(outcome: Outcome): void {
    this.#cut?.(outcome);
  }

  /** Calls `action` after `ms`, unless the outcome is decided before. */
  after(world: LoopWorld, ms: number, action: () => void): void {
    this.#timers ??= [];
    this.#timers.push(world.clock.after(Math.max(0, ms), action));
  }

  /** Forgets all that was to happen later. */
  stopTimers(): void {
    for (const cancel of this.#timers ?? []) cancel();
    this.#timers = undefined;
  }
}

/**
 * Runs the handlers of isolated tasks, each attempt in a runner of its own: a thread or a process
 * that has loaded the module of the task.
 *
 * An attempt enters a runner first, which may have to be started, and to load the task. To the
 * executor it is a handler like any other then: it gets the attempt's context and returns or
 * throws. Only the attempt's signal goes over, and reports come back. Besides, the attempt gets a
 * way to end it by force (`kill`), which the executor uses where it would otherwise have to take
 * the handler for a zombie. A handler whose worker lost its lease is ended by force after
 * {@link OBEY_MS}: somebody else may run the task already.
 *
 * If the worker dies, its runners die with it.
 */
import type { CancelTimer } from "../../base/clock.ts";
import type { LoopWorld } from "../../base/loop.ts";
import type { TaskContext } from "../../task/context.ts";
import { AttemptAbortedError, rebuildError } from "../../task/failure.ts";
import { resolveIsolate } from "../../task/isolate.ts";
import { retryAt, snooze } from "../../task/outcome.ts";
import type { RegisteredTask } from "../../task/task.ts";
import { notLoadable } from "./find-task.ts";
import { TaskNotLoadableError } from "./isolation-errors.ts";
import type { ResolvedIsolationOptions } from "./isolation-options.ts";
import { modulesOf } from "./origin-modules.ts";
import type { Answer, Report, ReturnedValue, TaskPlace } from "./protocol.ts";
import type { Runner, RunnerMake } from "./runner.ts";
import { RunnerPool } from "./runner-pool.ts";
import { thrownThere } from "./thrown-elsewhere.ts";

const OBEY_MS = 5_000;

/** What an isolated handler leaves with its attempt. */
export interface Killable {
  /** Ends the handler, whatever it does. It is there while the attempt has a runner. */
  kill: (() => void) | undefined;
}

/** A runner that waits for the handler's call of one attempt; dispose of it after that. */
export interface IsolatedPlace extends Disposable {
  /**
   * Runs the handler with an input as it is stored; the runner checks it. Returns what the handler
   * returned.
   *
   * @throws an error like the one that the handler threw; RunnerDiedError, MemoryLimitError.
   */
  run(input: unknown, context: TaskContext): Promise<unknown>;
}

/** What an {@link Isolation} works with. */
export interface IsolationWorld {
  readonly world: LoopWorld;
  readonly options: ResolvedIsolationOptions;
  /** Attempts at once. */
  readonly sizeMax: number;
  readonly resultBytesMax: number;
}

interface Isolated {
  readonly make: RunnerMake;
  readonly place: TaskPlace;
}

/** See the essay above. */
export class Isolation {
  readonly #with: IsolationWorld;
  readonly #pool: RunnerPool;
  readonly #known = new WeakMap<RegisteredTask, Isolated | "inline">();

  constructor(world: IsolationWorld) {
    this.#with = world;
    this.#pool = new RunnerPool(world.options, world.sizeMax, world.world);
  }

  /** Whether the task runs in a runner. */
  isolates(task: RegisteredTask): boolean {
    return this.#of(task) !== "inline";
  }

  /**
   * Loads every isolated task in a runner once, to see that it can be. The runners stay for the
   * first attempts.
   *
   * @throws TaskNotLoadableError (`TASK_NOT_LOADABLE`) naming every task that cannot be loaded.
   */
  async warmUp(tasks: readonly RegisteredTask[]): Promise<void> {
    const failures: unknown[] = [];
    for (const task of tasks) {
      const isolated = this.#of(task);
      if (isolated === "inline") continue;
      const failure = await this.#try(isolated);
      if (failure !== undefined) failures.push(failure);
    }
    if (failures.length === 0) return;
    this.#pool.endIdle();
    const [cause] = failures;
    if (failures.length === 1) throw cause;
    const texts = failures.map((each) => (each instanceof Error ? each.message : String(each)));
    throw new TaskNotLoadableError(texts.join("\n"), { cause });
  }

  /**
   * A runner for one attempt, which has loaded the task: what comes now is the handler's time.
   *
   * @throws TaskNotLoadableError, RunnerDiedError, MemoryLimitError when there is none to be had.
   */
  async enter(task: RegisteredTask, attempt: Killable): Promise<IsolatedPlace> {
    const isolated = this.#of(task);
    if (isolated === "inline") throw new Error(`Task ${task.name} runs inline.`);
    const { make, place } = isolated;
    const runner = this.#pool.take(make);
    attempt.kill = () => runner.kill("over");
    const leave = () => {
      attempt.kill = undefined;
      this.#pool.giveBack(runner);
    };
    try {
      await load(runner, place);
    } catch (error) {
      leave();
      throw error;
    }
    return {
      run: (input, context) => this.#run(runner, place, input, context),
      [Symbol.dispose]: leave,
    };
  }

  /** Ends all runners, and the attempts in them. */
  close(): Promise<void> {
    return this.#pool.close();
  }

  #of(task: RegisteredTask): Isolated | "inline" {
    const known = this.#known.get(task);
    if (known) return known;
    const isolate = resolveIsolate(task.isolate);
    const { memoryBytes } = this.#with.options;
    const isolated: Isolated | "inline" = isolate
      ? {
          make: { kind: isolate.kind, memoryBytes: isolate.memoryBytes ?? memoryBytes },
          place: { name: task.name, modules: modulesOf(isolate, task.origin ?? "") },
        }
      : "inline";
    this.#known.set(task, isolated);
    return isolated;
  }

  /** Returns why the task cannot be loaded. */
  async #try({ make, place }: Isolated): Promise<unknown> {
    const runner = this.#pool.take(make);
    try {
      await load(runner, place);
      this.#pool.giveBack(runner);
      return undefined;
    } catch (error) {
      // What a module that is not to be loaded has begun must not go on.
      runner.kill("stopped");
      if (error instanceof TaskNotLoadableError) return error;
      return notLoadable(place.name, error instanceof Error ? error.message : "", error);
    }
  }

  async #run(
    runner: Runner,
    place: TaskPlace,
    input: unknown,
    context: TaskContext,
  ): Promise<unknown> {
    const { id, queue, priority, headers, attempt, fence, signal } = context;
    const { resultBytesMax } = this.#with;
    const call = { id, queue, priority, headers, attempt, fence, input, resultBytesMax, ...place };
    using _listening = this.#tellAborts(runner, signal);
    return resultOf(await runner.run(call, (report) => pass(report, context)));
  }

  #tellAborts(runner: Runner, signal: AbortSignal): Disposable {
    let cancel: CancelTimer = () => {};
    const tell = () => {
      if (!(signal.reason instanceof AttemptAbortedError)) return;
      const { reason } = signal.reason;
      runner.abort(reason);
      if (reason === "lease-lost") {
        cancel = this.#with.world.clock.after(OBEY_MS, () => runner.kill("over"));
      }
    };
    if (signal.aborted) tell();
    else signal.addEventListener("abort", tell, { once: true });
    return {
      [Symbol.dispose]: () => {
        signal.removeEventListener("abort", tell);
        cancel();
      },
    };
  }
}

async function load(runner: Runner, place: TaskPlace): Promise<void> {
  if (runner.loaded.has(place.name)) return;
  const answer = await runner.load(place);
  if (answer.kind !== "threw") return;
  const { message, cause } = rebuildError(answer.failure);
  throw new TaskNotLoadableError(message, cause === undefined ? {} : { cause });
}

function pass(report: Report, context: TaskContext): void {
  if (report.kind === "log") context.log(report.text);
  else context.progress(report.percent, report.detail);
}

function resultOf(answer: Answer): unknown {
  if (answer.kind === "returned") return returnedOf(answer.result);
  if (answer.kind === "threw") throw thrownThere(answer.failure, answer.hints);
  return undefined;
}

function returnedOf(value: ReturnedValue): unknown {
  switch (value.kind) {
    case "json":
      return JSON.parse(value.json);
    case "snooze":
      return snooze(value.delayMs, value.reason);
    case "retry-at": {
      const { when, reason } = value;
      return retryAt("at" in when ? new Date(when.at) : when.delayMs, reason);
    }
    default:
      return undefined;
  }
}

import type { StandardSchemaV1 } from "@standard-schema/spec";
import { EtaskError, InvalidOptionsError } from "../base/errors.ts";
import { requireKnownKeys, shown } from "../base/options.ts";
import type { TaskContext } from "./context.ts";
import {
  checkTaskOptions,
  type DelayOptions,
  resolveDelayOptions,
  TASK_OPTIONS,
  type TaskOptions,
} from "./enqueue-options.ts";
import type { EnqueueRequest, Enqueuer } from "./enqueuer.ts";
import type { TaskHandle } from "./handle.ts";
import { parseWith, requireSchema } from "./input.ts";
import { requireTaskName } from "./names.ts";
import type { Directive } from "./outcome.ts";

/**
 * A task is used through `delay()` but belongs to no open app. List it in `createApp({ tasks })`.
 */
export class TaskUnboundError extends EtaskError {
  readonly code = "TASK_UNBOUND";
}

/** What an app needs to know of a task, whatever its types. */
export interface RegisteredTask extends TaskOptions {
  readonly name: string;
  readonly input?: StandardSchemaV1 | undefined;
  /** Where it was defined, as a stack. */
  readonly origin?: string;
  run(input: never, context: TaskContext<never>): unknown;
  bind(enqueuer: Enqueuer): () => void;
}

/**
 * A kind of task: a name, a handler and its defaults. Extend it, or use {@link defineTask}:
 *
 * ```ts
 * class FormatDisk extends BaseTask<{ device: string }, { seconds: number }> {
 *   readonly name = "disk.format";
 *   async run({ device }, ctx) { … }
 * }
 * ```
 */
export abstract class BaseTask<In = unknown, Out = unknown, Progress = unknown>
  implements RegisteredTask
{
  /**
   * Names the kind for producers and workers, for good: 1 to 100 of letters, digits and `_ . -`.
   */
  abstract readonly name: string;
  /** Checks the input when the task is enqueued and again before it runs. */
  readonly input?: StandardSchemaV1 | undefined;
  readonly queue?: string;
  readonly priority?: number;
  readonly idPrefix?: string;
  readonly retry?: NonNullable<TaskOptions["retry"]>;
  readonly retention?: NonNullable<TaskOptions["retention"]>;
  readonly timeout?: NonNullable<TaskOptions["timeout"]>;
  readonly totalTimeout?: NonNullable<TaskOptions["totalTimeout"]>;
  readonly expiresIn?: NonNullable<TaskOptions["expiresIn"]>;
  /** Where it was defined, as a stack: to find what goes on without an end. */
  readonly origin: string = new Error("Defined").stack ?? "";
  readonly #enqueuers: Enqueuer[] = [];

  /**
   * Does the work. What it returns is the task's result and must be JSON; a throw fails the
   * attempt. `snooze(…)` or `retryAt(…)` says that it is not done yet.
   */
  abstract run(
    input: In,
    context: TaskContext<Progress>,
  ): Promise<Out | Directive> | Out | Directive;

  /**
   * Hands the task over and returns its handle as soon as the store has it on disk.
   *
   * @throws InvalidOptionsError, InvalidInputError, NotJsonError or PayloadTooLargeError before
   *   anything is written, naming what is wrong.
   * @throws StoreError when the store did not take it; `applied: "unknown"` means that it may have,
   *   and a second call with the same `id` is safe.
   */
  async delay(input: In, options?: DelayOptions): Promise<TaskHandle<Out>> {
    const enqueuer = this.#enqueuer();
    return (await enqueuer.enqueue(await this.#request(input, options))) as TaskHandle<Out>;
  }

  /**
   * Hands over any number of tasks, in order, in as few commits as possible. Everything is checked
   * before the first is written.
   *
   * @throws EnqueuePartialError (`ENQUEUE_PARTIAL`) listing what landed; its `resume()` does the
   *   rest.
   */
  async delayMany(
    inputs: readonly In[],
    options?: DelayOptions | ((input: In, index: number) => DelayOptions),
  ): Promise<TaskHandle<Out>[]> {
    const enqueuer = this.#enqueuer();
    if (!Array.isArray(inputs)) {
      throw new InvalidOptionsError(`inputs must be a list of inputs; got ${shown(inputs)}.`);
    }
    const requests: EnqueueRequest[] = [];
    for (const [index, input] of inputs.entries()) {
      const own = typeof options === "function" ? options(input, index) : options;
      requests.push(await this.#request(input, own, `[${index}]`));
    }
    return (await enqueuer.enqueueMany(requests)) as TaskHandle<Out>[];
  }

  /** Connects the task to an app; the newest open app wins. Returns what disconnects it again. */
  bind(enqueuer: Enqueuer): () => void {
    this.#enqueuers.push(enqueuer);
    return () => {
      const index = this.#enqueuers.indexOf(enqueuer);
      if (index >= 0) this.#enqueuers.splice(index, 1);
    };
  }

  #enqueuer(): Enqueuer {
    const enqueuer = this.#enqueuers.at(-1);
    if (enqueuer) return enqueuer;
    throw new TaskUnboundError(
      `Task ${this.name} belongs to no open app. List it in createApp({ tasks: [...] }) first.`,
    );
  }

  async #request(input: In, given: DelayOptions = {}, at = ""): Promise<EnqueueRequest> {
    const options = resolveDelayOptions(this, given);
    await parseWith(this.input, `input${at} of ${this.name}`, input);
    return { name: this.name, input, options };
  }
}

/** What {@link defineTask} takes. */
export interface TaskDefinition<In, Out, Progress> extends TaskOptions {
  readonly name: string;
  /** Describes the detail that `ctx.progress` takes; only its type is used. */
  readonly progress?: StandardSchemaV1<unknown, Progress>;
  run(input: In, context: TaskContext<Progress>): Promise<Out | Directive> | Out | Directive;
}

const DEFINITION = [...["name", "input", "progress", "run"], ...TASK_OPTIONS];

class DefinedTask<In, Out, Progress> extends BaseTask<In, Out, Progress> {
  readonly name: string;
  override readonly input: StandardSchemaV1 | undefined;
  readonly #run: TaskDefinition<In, Out, Progress>["run"];

  constructor(definition: TaskDefinition<In, Out, Progress> & { input?: StandardSchemaV1 }) {
    super();
    requireKnownKeys("defineTask", definition, DEFINITION);
    const { name, input, progress: _typeOnly, run, ...options } = definition;
    if (typeof run !== "function") {
      throw new InvalidOptionsError(
        `run must be a function, the handler of the task; got ${shown(run)}.`,
      );
    }
    this.name = name;
    this.input = input;
    this.#run = run;
    Object.assign(this, options);
  }

  override run(
    input: In,
    context: TaskContext<Progress>,
  ): Promise<Out | Directive> | Out | Directive {
    return this.#run(input, context);
  }
}

/**
 * Defines a kind of task. With `input`, any Standard Schema (zod, valibot, arktype …), the types of
 * `delay` and `run` follow from it; output and progress types follow from `run` and `progress`.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) when the name or an option is not allowed.
 */
export function defineTask<Schema extends StandardSchemaV1, Out, Progress = unknown>(
  definition: TaskDefinition<StandardSchemaV1.InferOutput<Schema>, Out, Progress> & {
    readonly input: Schema;
  },
): BaseTask<StandardSchemaV1.InferInput<Schema>, Out, Progress>;
export function defineTask<In = void, Out = unknown, Progress = unknown>(
  definition: TaskDefinition<In, Out, Progress>,
): BaseTask<In, Out, Progress>;
export function defineTask<In, Out, Progress>(
  definition: TaskDefinition<In, Out, Progress> & { input?: StandardSchemaV1 },
): BaseTask<In, Out, Progress> {
  const task = new DefinedTask(definition);
  checkTask(task);
  return task;
}

/**
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) when a task's name or an option is not allowed.
 */
export function checkTask(task: RegisteredTask): void {
  requireTaskName(task.name);
  requireSchema(task.input);
  checkTaskOptions(task);
}

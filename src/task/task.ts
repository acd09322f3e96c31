import type { StandardSchemaV1 } from "@standard-schema/spec";
import { EtaskError, InvalidOptionsError } from "../base/errors.ts";
import { requireKnownKeys, shown } from "../base/options.ts";
import { type ClaimOptions, replaces, resolveClaim } from "./claim.ts";
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
import { requireId, requireTaskName } from "./names.ts";
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
  /** See {@link BaseTask.mapError}. */
  mapError?(error: unknown, context: TaskContext<never>): unknown;
  bind(enqueuer: Enqueuer): () => void;
}

/**
 * A kind of task: a name, a handler and its defaults. Extend it, use {@link defineTask}, or derive
 * from a task that exists:
 *
 * ```ts
 * class FormatDisk extends BaseTask<{ device: string }, { seconds: number }> {
 *   readonly name = "disk.format";
 *   async run({ device }, ctx) { … }
 * }
 * ```
 *
 * `Methods` is what the handles of its tasks offer besides those of every {@link TaskHandle}.
 */
export abstract class BaseTask<In = unknown, Out = unknown, Progress = unknown, Methods = unknown>
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
  readonly isolate?: NonNullable<TaskOptions["isolate"]>;
  readonly when?: NonNullable<TaskOptions["when"]>;
  readonly preempt?: NonNullable<TaskOptions["preempt"]>;
  readonly unique?: NonNullable<TaskOptions["unique"]>;
  readonly throttle?: NonNullable<TaskOptions["throttle"]>;
  readonly debounce?: NonNullable<TaskOptions["debounce"]>;
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
   * What is recorded instead of what `run` threw; `undefined` leaves it as it is. See
   * {@link FailureHints} for how an error says that it is final, or when to try again.
   */
  mapError?(error: unknown, context: TaskContext<Progress>): unknown;

  /** Further methods for the handles of this task; none may be called like one of every handle. */
  methods?(handle: TaskHandle<Out, Progress>): Methods;

  /**
   * A new task out of this one: the same work under other options, in another shape, or with
   * something around it. What the extension leaves out stays as it is here.
   *
   * ```ts
   * const formatByNode = formatDisk.derive({
   *   name: "disk.format-by-node",
   *   input: z.object({ node: z.string() }),
   *   run: async (format, { node }, ctx) => format({ device: await deviceOf(node) }, ctx),
   *   mapError: (error) => (isGone(error) ? new FinalError("The disk is gone.") : error),
   *   methods: (handle) => ({ certificate: () => certificateOf(handle.id) }),
   * });
   * ```
   *
   * @throws InvalidOptionsError (`INVALID_OPTIONS`) when the name or an option is not allowed.
   */
  derive<Schema extends StandardSchemaV1, NewOut = Out, NewProgress = Progress, More = unknown>(
    extension: TaskExtension<
      Handler<In, Out, Progress>,
      StandardSchemaV1.InferOutput<Schema>,
      NewOut,
      NewProgress,
      More
    > & { readonly input: Schema },
  ): BaseTask<StandardSchemaV1.InferInput<Schema>, NewOut, NewProgress, Methods & More>;
  derive<NewIn = In, NewOut = Out, NewProgress = Progress, More = unknown>(
    extension: TaskExtension<Handler<In, Out, Progress>, NewIn, NewOut, NewProgress, More>,
  ): BaseTask<NewIn, NewOut, NewProgress, Methods & More>;
  derive(extension: object): unknown {
    requireKnownKeys("derive", extension, EXTENSION);
    const base = this as unknown as BaseTask;
    return checked(new DerivedTask(base, extension as AnyExtension));
  }

  /**
   * Hands the task over and returns its handle as soon as the store has it on disk.
   *
   * @throws InvalidOptionsError, InvalidInputError, NotJsonError or PayloadTooLargeError before
   *   anything is written, naming what is wrong.
   * @throws StoreError when the store did not take it; `applied: "unknown"` means that it may have,
   *   and a second call with the same `id` is safe.
   */
  async delay(input: In, options?: DelayOptions): Promise<TaskHandle<Out, Progress> & Methods> {
    const enqueuer = this.#enqueuer();
    return this.#equipped(await enqueuer.enqueue(await this.#request(input, options)));
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
  ): Promise<(TaskHandle<Out, Progress> & Methods)[]> {
    const enqueuer = this.#enqueuer();
    if (!Array.isArray(inputs)) {
      throw new InvalidOptionsError(`inputs must be a list of inputs; got ${shown(inputs)}.`);
    }
    const requests: EnqueueRequest[] = [];
    for (const [index, input] of inputs.entries()) {
      const own = typeof options === "function" ? options(input, index) : options;
      requests.push(await this.#request(input, own, `[${index}]`));
    }
    const handles = await enqueuer.enqueueMany(requests);
    return handles.map((handle) => this.#equipped(handle));
  }

  /**
   * A handle of one of these tasks that was enqueued before or elsewhere. Nothing is read until it
   * is used, so nothing says whether the task of that id is one of these.
   */
  handle(id: string): TaskHandle<Out, Progress> & Methods {
    return this.#equipped(this.#enqueuer().handle(requireId(id)));
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

  #equipped(handle: TaskHandle): TaskHandle<Out, Progress> & Methods {
    const own = handle as TaskHandle<Out, Progress>;
    const methods = this.methods?.(own);
    for (const [name, method] of Object.entries((methods as object | undefined) ?? {})) {
      if (name in handle) {
        throw new InvalidOptionsError(
          `methods of task ${this.name} names ${name}, which every handle has; choose another name.`,
        );
      }
      Object.defineProperty(handle, name, { value: method, enumerable: true });
    }
    return own as TaskHandle<Out, Progress> & Methods;
  }

  async #request(input: In, given: DelayOptions = {}, at = ""): Promise<EnqueueRequest> {
    const options = resolveDelayOptions(this, given);
    const parsed = await parseWith(this.input, `input${at} of ${this.name}`, input);
    const claim = resolveClaim(this, given, parsed);
    return { name: this.name, input, options, claim };
  }
}

/** What does the work of a task. */
export type Handler<In, Out, Progress> = (
  input: In,
  context: TaskContext<Progress>,
) => Promise<Out | Directive> | Out | Directive;

/** What {@link defineTask} takes. */
export interface TaskDefinition<In, Out, Progress>
  extends Omit<TaskOptions, keyof ClaimOptions>,
    ClaimOptions<In> {
  readonly name: string;
  /** Describes the detail that `ctx.progress` takes; only its type is used. */
  readonly progress?: StandardSchemaV1<unknown, Progress>;
  run(input: In, context: TaskContext<Progress>): Promise<Out | Directive> | Out | Directive;
}

/** What {@link BaseTask.derive} takes. */
export interface TaskExtension<Base, In, Out, Progress, More>
  extends Omit<TaskOptions, keyof ClaimOptions>,
    ClaimOptions<In> {
  /** Default: the name of the task that it is derived from, which then cannot stand beside it. */
  readonly name?: string;
  /** Describes the detail that `ctx.progress` takes; only its type is used. */
  readonly progress?: StandardSchemaV1<unknown, Progress>;
  /** Does the work, around `base` if it calls that: the handler of the task derived from. */
  run?(
    base: Base,
    input: In,
    context: TaskContext<Progress>,
  ): Promise<Out | Directive> | Out | Directive;
  /** See {@link BaseTask.mapError}; gets what the mapping of the task derived from returned. */
  mapError?(error: unknown, context: TaskContext<Progress>): unknown;
  /** See {@link BaseTask.methods}; they are added to those of the task derived from. */
  methods?(handle: TaskHandle<Out, Progress>): More;
}

const DEFINITION = [...["name", "input", "progress", "run"], ...TASK_OPTIONS];
const EXTENSION = [...DEFINITION, "mapError", "methods"];

class DefinedTask<In, Out, Progress> extends BaseTask<In, Out, Progress> {
  readonly name: string;
  override readonly input: StandardSchemaV1 | undefined;
  readonly #run: TaskDefinition<In, Out, Progress>["run"];

  constructor(definition: TaskDefinition<In, Out, Progress> & { input?: StandardSchemaV1 }) {
    super();
    requireKnownKeys("defineTask", definition, DEFINITION);
    const { name, input, progress: _typeOnly, run, ...options } = definition;
    requireFunction("run", run, "the handler of the task");
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

type AnyExtension = TaskExtension<
  Handler<unknown, unknown, unknown>,
  never,
  unknown,
  never,
  unknown
> & {
  readonly input?: StandardSchemaV1;
};

class DerivedTask extends BaseTask {
  readonly name: string;
  override readonly input: StandardSchemaV1 | undefined;
  readonly #base: BaseTask;
  readonly #extension: AnyExtension;

  constructor(base: BaseTask, extension: AnyExtension) {
    super();
    const { name, input, progress: _typeOnly, run, mapError, methods, ...options } = extension;
    for (const [member, given] of Object.entries({ run, mapError, methods })) {
      if (given !== undefined) requireFunction(member, given, "or left out");
    }
    this.name = name ?? base.name;
    this.input = input ?? base.input;
    this.#base = base;
    this.#extension = extension;
    for (const option of TASK_OPTIONS as readonly (keyof TaskOptions)[]) {
      const value = options[option] ?? (replaces(options, option) ? undefined : base[option]);
      if (value !== undefined) Object.assign(this, { [option]: value });
    }
  }

  override run(input: unknown, context: TaskContext): unknown {
    const base = (given: unknown, its: TaskContext) => this.#base.run(given, its);
    const { run } = this.#extension;
    return run ? run(base, input as never, context as never) : base(input, context);
  }

  override mapError(error: unknown, context: TaskContext): unknown {
    const inner = this.#base.mapError?.(error, context) ?? error;
    return this.#extension.mapError?.(inner, context as never) ?? inner;
  }

  override methods(handle: TaskHandle): object {
    const inner = this.#base.methods?.(handle) as object | undefined;
    const own = this.#extension.methods?.(handle as never) as object | undefined;
    return { ...inner, ...own };
  }
}

function requireFunction(member: string, given: unknown, what: string): void {
  if (typeof given === "function") return;
  throw new InvalidOptionsError(`${member} must be a function, ${what}; got ${shown(given)}.`);
}

function checked<T extends RegisteredTask>(task: T): T {
  checkTask(task);
  return task;
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
  return checked(new DefinedTask(definition));
}

/**
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) when a task's name or an option is not allowed.
 */
export function checkTask(task: RegisteredTask): void {
  requireTaskName(task.name);
  requireSchema(task.input);
  checkTaskOptions(task);
}

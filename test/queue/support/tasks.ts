import { createDeferred, type Deferred } from "../../../src/base/deferred.ts";
import type { TaskContext } from "../../../src/task/context.ts";
import { type BaseTask, defineTask, type TaskDefinition } from "../../../src/task/task.ts";

/** One call of a handler that goes on until the test ends it. */
export interface Call<In> {
  readonly input: In;
  readonly ctx: TaskContext;
  readonly end: Deferred<unknown>;
}

/** A task whose handlers the test holds in its hand. */
export interface HeldTask<In> {
  readonly task: BaseTask<In, unknown>;
  /** Every call so far, in order. */
  readonly calls: readonly Call<In>[];
  /** Handlers that run now, and the most that ever did. */
  running(): number;
  runningMax(): number;
}

/** Defines a task whose handlers wait to be ended by the test; deaf to their signals. */
export function defineHeldTask<In = void>(
  name: string,
  options: Partial<TaskDefinition<In, unknown, unknown>> = {},
): HeldTask<In> {
  const calls: Call<In>[] = [];
  let running = 0;
  let runningMax = 0;
  const task = defineTask<In, unknown>({
    name,
    ...options,
    run: async (input, ctx) => {
      const end = createDeferred<unknown>();
      running += 1;
      runningMax = Math.max(running, runningMax);
      calls.push({ input, ctx, end });
      try {
        return await end.promise;
      } finally {
        running -= 1;
      }
    },
  });
  return { task, calls, running: () => running, runningMax: () => runningMax };
}

/** Does nothing and says so. */
export function defineQuickTask(name: string, options: { queue?: string } = {}) {
  return defineTask({ name, ...options, run: (input: { n: number }) => input.n });
}

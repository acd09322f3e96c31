import type { TaskContext } from "./context.ts";
import type { RegisteredTask } from "./task.ts";

/**
 * Calls a task's handler with an input that was checked. Returns what it returned.
 *
 * @throws what the handler threw, as the task maps it.
 */
export async function runTask(
  task: RegisteredTask,
  input: unknown,
  context: TaskContext,
): Promise<unknown> {
  try {
    return await task.run(input as never, context as TaskContext<never>);
  } catch (error) {
    throw task.mapError?.(error, context as TaskContext<never>) ?? error;
  }
}

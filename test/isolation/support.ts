import { type App, createApp } from "../../src/app.ts";
import { createMemoryStorage } from "../../src/store/memory/index.ts";
import type { TaskFailure } from "../../src/task/failure.ts";
import type { TaskHandle } from "../../src/task/handle.ts";
import type { RegisteredTask } from "../../src/task/task.ts";
import type { Worker } from "../../src/worker/worker.ts";
import type { WorkerOptions } from "../../src/worker/worker-options.ts";

/** A worker that runs, on a store in memory and in real time. */
export interface Isolated extends AsyncDisposable {
  readonly app: App;
  readonly worker: Worker;
}

/** Starts a worker over `tasks`; it stops at once when it is disposed of. */
export async function startWorker(
  tasks: readonly RegisteredTask[],
  options: WorkerOptions = {},
): Promise<Isolated> {
  const app = await createApp({ store: createMemoryStorage().open(), tasks });
  const worker = app.createWorker({ drain: 0, ...options });
  await worker.start().catch(async (error: unknown) => {
    await app.close();
    throw error;
  });
  return { app, worker, [Symbol.asyncDispose]: () => app.close() };
}

/** Waits for the end of a task that does not succeed; returns what is recorded of its error. */
export async function errorOf(handle: TaskHandle): Promise<TaskFailure | undefined> {
  await handle.settle();
  return (await handle.state()).error;
}

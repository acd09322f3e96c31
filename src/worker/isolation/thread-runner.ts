import { startThread } from "../../base/thread.ts";
import type { FromRunner, ToRunner } from "./protocol.ts";
import { loaderOptions, type RunnerBody, type RunnerBodyEvents } from "./runner-body.ts";

/** Starts a thread that runs isolated tasks; its heap may take `memoryBytes`. */
export function startThreadRunner(memoryBytes: number, events: RunnerBodyEvents): RunnerBody {
  const thread = startThread(new URL("./runner-thread.ts", import.meta.url), undefined, {
    execArgv: [...loaderOptions(process.execArgv)],
    resourceLimits: { maxOldGenerationSizeMb: Math.round(memoryBytes / 1_048_576) },
  });
  const id = thread.threadId;
  let error: (Error & { readonly code?: string }) | undefined;
  thread.on("message", (message: FromRunner) => events.message(message));
  thread.on("error", (thrown) => {
    error = thrown;
  });
  thread.once("exit", (code) => {
    const outOfMemory = error?.code === "ERR_WORKER_OUT_OF_MEMORY";
    const how = error ? `ended: ${error.message}` : `exited with code ${code}`;
    events.ended({ how, outOfMemory, cause: error });
  });
  return {
    id,
    send: (message: ToRunner) => thread.postMessage(message),
    hold: (held) => (held ? thread.ref() : thread.unref()),
    kill: () => {
      thread.terminate();
    },
  };
}

/** The entry of a thread that runs isolated tasks; `thread-runner.ts` starts it. */
import { getHeapStatistics } from "node:v8";
import { parentPort } from "node:worker_threads";
import type { ToRunner } from "./protocol.ts";
import { serveRunner } from "./serve-runner.ts";

const port = parentPort;
if (!port) throw new Error("runner-thread.ts is the entry of a worker thread.");

serveRunner({
  send: (message) => port.postMessage(message),
  receive: (listener) => port.on("message", (message: ToRunner) => listener(message)),
  busy: () => {},
  usedBytes: () => {
    const { used_heap_size, external_memory } = getHeapStatistics();
    return used_heap_size + external_memory;
  },
});

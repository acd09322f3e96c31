import { Worker } from "node:worker_threads";

/**
 * Starts a thread of our own. `entry` names its source as an import would,
 * `new URL("./writer-thread.ts", import.meta.url)`, and is found both in the compiled package and
 * when the sources run as they are.
 *
 * The thread takes no flags from the process: what the user loads into the main thread (inspectors,
 * loaders, telemetry) has no business in ours.
 */
export function startThread(entry: URL, workerData: unknown): Worker {
  if (!import.meta.url.endsWith(".ts")) {
    const compiled = new URL(entry.href.replace(/\.ts$/, ".js"));
    return new Worker(compiled, { workerData, execArgv: [] });
  }
  // `--import tsx` does nothing in a thread, and would look for tsx where the process runs.
  const tsx = JSON.stringify(import.meta.resolve("tsx/esm/api"));
  const loader = `data:text/javascript,import{register}from${tsx};register()`;
  return new Worker(entry, { workerData, execArgv: ["--import", loader] });
}

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
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
  const compiled = !import.meta.url.endsWith(".ts");
  if (compiled) {
    const file = new URL(entry.href.replace(/\.ts$/, ".js"));
    return new Worker(file, { workerData, execArgv: [] });
  }
  // Resolved from here: a bare "tsx" would be looked up from the directory the process runs in.
  const loader = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  return new Worker(entry, { workerData, execArgv: ["--import", loader] });
}

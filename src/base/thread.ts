import { Worker, type WorkerOptions } from "node:worker_threads";

/** What runs an entry: its file, and the options that Node needs for it. */
export interface Entry {
  readonly url: URL;
  readonly execArgv: readonly string[];
}

/**
 * Finds an entry of our own. `source` names it as an import would, `new URL("./writer-thread.ts",
 * import.meta.url)`; it is found both in the compiled package and when the sources run as they are.
 */
export function entryOf(source: URL): Entry {
  if (!import.meta.url.endsWith(".ts")) {
    return { url: new URL(source.href.replace(/\.ts$/, ".js")), execArgv: [] };
  }
  // `--import tsx` does nothing in a thread, and would look for tsx where the process runs.
  const tsx = JSON.stringify(import.meta.resolve("tsx/esm/api"));
  const loader = `data:text/javascript,import{register}from${tsx};register()`;
  return { url: source, execArgv: ["--import", loader] };
}

/**
 * Starts a thread of our own; see {@link entryOf}.
 *
 * The thread takes no flags from the process but those that are given: what the user loads into the
 * main thread (inspectors, loaders, telemetry) has no business in ours.
 */
export function startThread(
  source: URL,
  workerData: unknown,
  options: Pick<WorkerOptions, "execArgv" | "resourceLimits"> = {},
): Worker {
  const { url, execArgv } = entryOf(source);
  const given = options.execArgv ?? [];
  return new Worker(url, { ...options, workerData, execArgv: [...given, ...execArgv] });
}

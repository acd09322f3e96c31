import type { Logger } from "pino";
import type { Output } from "./output.ts";
import type { LogLevel } from "./worker-log.ts";

/** How much may be logged, from most to least. */
export const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error", "silent"];

/** Starts to log what the core publishes. Loaded only here: short commands need no logger. */
export async function startLog(
  output: Output,
  level: LogLevel,
): Promise<{ log: Logger; stopLogging: () => void }> {
  const { createWorkerLog, logEvents } = await import("./worker-log.ts");
  const log = createWorkerLog(output, level);
  return { log, stopLogging: logEvents(log) };
}

import { type Command, Option } from "commander";
import { createApp } from "../../app.ts";
import { aborted } from "../../base/aborted.ts";
import type { WorkerOptions } from "../../worker/worker-options.ts";
import { loadApp } from "../app-module.ts";
import { durationArgument, wholeNumber } from "../arguments.ts";
import { type Cli, type GlobalOptions, storeUrlOf } from "../cli.ts";
import { LOG_LEVELS, startLog } from "../start-log.ts";
import { catchStopSignals } from "../stop-signal.ts";
import type { LogLevel } from "../worker-log.ts";

interface Options extends GlobalOptions {
  readonly app: string;
  readonly concurrency?: string;
  readonly queue?: readonly string[];
  readonly leaseTtl?: string;
  readonly drain?: string;
  readonly beat: boolean;
  readonly idle: boolean;
  readonly logLevel: LogLevel;
}

const EXAMPLES = `
The app module is an ES module, JavaScript or TypeScript, that exports tasks: each by
itself (by name or as the default) or in lists. Whatever else it exports is left alone.

SIGTERM and SIGINT stop the worker: it takes nothing more, waits for what it runs, gives
the rest back and ends with 0. A second signal ends it at once.

Examples:
  $ etask worker --app tasks.ts
  $ etask worker --app dist/tasks.js --concurrency 20 --queue mail --queue default
  $ etask worker --app tasks.ts --concurrency 2..16
`;

/** Adds `etask worker`. */
export function addWorker(program: Command, cli: Cli): void {
  program
    .command("worker")
    .summary("run tasks until a signal says stop")
    .description("Takes tasks from queues and runs them until SIGTERM or SIGINT.")
    .requiredOption("--app <file>", "module that exports the tasks")
    .option("--concurrency <n>", "tasks run at once, 1 to 10000, or 2..16 to scale (default: 3)")
    .option("--queue <name...>", 'queues to take from (default: "default")')
    .option("--lease-ttl <duration>", "how long after its death tasks go back (default: 15s)")
    .option("--drain <duration>", "how long to wait for running tasks at the end (default: 30s)")
    .option("--no-idle", "leave idle tasks to other workers")
    .option("--no-beat", "never be the Beat that keeps time for all")
    .addOption(
      new Option("--log-level <level>", "how much to log").choices(LOG_LEVELS).default("info"),
    )
    .addHelpText("after", EXAMPLES)
    .action((_options, command: Command) => runWorker(cli, command.optsWithGlobals<Options>()));
}

async function runWorker(cli: Cli, options: Options): Promise<void> {
  const store = storeUrlOf(cli, options);
  const workerOptions = workerOptionsOf(options);
  const module = await loadApp(options.app);
  const { log, stopLogging } = await startLog(cli.output, options.logLevel);
  using stop = catchStopSignals(cli.clock);
  try {
    await using app = await createApp({ store, ...module, beat: options.beat });
    const worker = app.createWorker(workerOptions);
    await worker.start();
    await aborted(stop.signal);
    const { running } = worker;
    log.info({ signal: stop.signal.reason, running }, "stopping; a second signal ends at once");
    await worker.stop();
  } finally {
    stopLogging();
  }
}

function workerOptionsOf({ concurrency, queue, leaseTtl, drain, idle }: Options): WorkerOptions {
  return {
    ...(concurrency !== undefined && { concurrency: concurrencyOf(concurrency) }),
    ...(idle ? undefined : { idle }),
    ...(queue !== undefined && { queues: queue }),
    ...(leaseTtl !== undefined && { leaseTtl: durationArgument(leaseTtl) }),
    ...(drain !== undefined && { drain: durationArgument(drain) }),
  };
}

/** A number, or two for the bounds between which it follows the load. */
function concurrencyOf(text: string): NonNullable<WorkerOptions["concurrency"]> {
  const [min = "", max] = text.split("..", 2);
  if (max === undefined) return wholeNumber("--concurrency", min);
  return { min: wholeNumber("--concurrency", min), max: wholeNumber("--concurrency", max) };
}

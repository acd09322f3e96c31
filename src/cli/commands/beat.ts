import { type Command, Option } from "commander";
import { createApp } from "../../app.ts";
import { aborted } from "../../base/aborted.ts";
import type { BeatOptions } from "../../beat/beat-options.ts";
import { durationArgument } from "../arguments.ts";
import { type Cli, type GlobalOptions, storeUrlOf } from "../cli.ts";
import { LOG_LEVELS, startLog } from "../start-log.ts";
import { catchStopSignals } from "../stop-signal.ts";
import type { LogLevel } from "../worker-log.ts";

interface Options extends GlobalOptions {
  readonly leaseTtl?: string;
  readonly compaction?: string;
  readonly logLevel: LogLevel;
}

const EXAMPLES = `
Every worker is a Beat, too, unless it is told not to; this is for those who want one that
does nothing else. Any number may run, on any machines: one is elected.

SIGTERM and SIGINT stop it, and another one leads at once. A second signal ends it at once.

Examples:
  $ etask beat
  $ etask beat --lease-ttl 10s --compaction off
`;

/** Adds `etask beat`. */
export function addBeat(program: Command, cli: Cli): void {
  program
    .command("beat")
    .summary("keep time until a signal says stop")
    .description(
      "Promotes delayed tasks, runs schedules, ends what is overdue, removes what has ended.",
    )
    .option("--lease-ttl <duration>", "how long after its death another one leads (default: 5s)")
    .option("--compaction <duration>", 'how much history etcd keeps, or "off" (default: 3m)')
    .addOption(
      new Option("--log-level <level>", "how much to log").choices(LOG_LEVELS).default("info"),
    )
    .addHelpText("after", EXAMPLES)
    .action((_options, command: Command) => runBeat(cli, command.optsWithGlobals<Options>()));
}

async function runBeat(cli: Cli, options: Options): Promise<void> {
  const store = storeUrlOf(cli, options);
  const beatOptions = beatOptionsOf(options);
  const { log, stopLogging } = await startLog(cli.output, options.logLevel);
  using stop = catchStopSignals(cli.clock);
  try {
    await using app = await createApp({ store, beat: beatOptions });
    const beat = app.createBeat();
    beat.start();
    log.info("standing for election");
    await aborted(stop.signal);
    log.info({ signal: stop.signal.reason, leading: beat.leading }, "stopping");
    await beat.stop();
  } finally {
    stopLogging();
  }
}

function beatOptionsOf({ leaseTtl, compaction }: Options): BeatOptions {
  return {
    ...(leaseTtl !== undefined && { leaseTtl: durationArgument(leaseTtl) }),
    ...(compaction !== undefined && {
      compaction: compaction === "off" ? (false as const) : durationArgument(compaction),
    }),
  };
}

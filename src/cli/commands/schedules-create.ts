import { type Command, Option } from "commander";
import { InvalidOptionsError } from "../../base/errors.ts";
import type {
  DstOptions,
  ScheduleOptions,
  ScheduleSettings,
} from "../../schedule/schedule-options.ts";
import { OVERLAPS, type Overlap } from "../../schedule/schedule-record.ts";
import { loadTasks } from "../app-module.ts";
import {
  collect,
  durationArgument,
  headersOf,
  PREEMPT_TEXT,
  readInput,
  whenOption,
  wholeNumber,
} from "../arguments.ts";
import { type Cli, type GlobalOptions, withApp } from "../cli.ts";
import { saySchedule, timeText } from "../schedule-text.ts";

interface WhenArguments extends GlobalOptions {
  readonly every?: string;
  readonly cron?: string;
  readonly at?: string;
  readonly timeZone?: string;
  readonly dstMissing?: "shift" | "skip";
  readonly dstRepeated?: "first" | "both";
  readonly start?: string;
  readonly end?: string;
}

interface CreateArguments extends WhenArguments {
  readonly task: string;
  readonly input?: string;
  readonly app?: string;
  readonly jitter?: string;
  readonly overlap?: Overlap;
  readonly catchUp?: string;
  readonly unique?: string;
  readonly queue?: string;
  readonly priority?: string;
  readonly when?: "always" | "idle";
  readonly preempt?: boolean;
  readonly header?: readonly string[];
  readonly attempts?: string;
  readonly timeout?: string;
  readonly totalTimeout?: string;
  readonly expiresIn?: string;
  readonly retention?: string;
  readonly replace?: boolean;
}

interface PreviewArguments extends WhenArguments {
  readonly count?: string;
}

const CREATE_EXAMPLES = `
Needs exactly one of --cron, --every and --at.

Examples:
  $ etask schedules create nightly --task disk.scrub --cron '0 3 * * *' --time-zone Europe/Berlin
  $ etask schedules create pulse --task node.check --every 10s --overlap skip --expires-in 10s
  $ etask schedules create once --task report.build --input @report.json --at 2030-01-31T09:00:00Z
`;

const PREVIEW_EXAMPLES = `
Examples:
  $ etask schedules preview nightly --count 5
  $ etask schedules preview --cron '30 2 * * *' --time-zone Europe/Berlin --start 2030-03-30T00:00Z
`;

/** Adds `create` and `preview` to `etask schedules`. */
export function addSchedulesCreate(schedules: Command, cli: Cli): void {
  const create = schedules
    .command("create")
    .description("Makes a schedule, or with --replace gives one a new definition.")
    .argument("<name>", "the schedule's name; begins the ids of its tasks")
    .requiredOption("--task <name>", "the task to run")
    .option("--input <json>", "JSON, @FILE, or - for stdin (default: no input)")
    .option("--app <file>", "module that exports the task: checks name and input before");
  addWhen(create)
    .option("--jitter <duration>", "start each run up to so long after its time (default: 0)")
    .addOption(
      new Option("--overlap <policy>", "when the run before has not ended (default: skip)").choices(
        OVERLAPS,
      ),
    )
    .option("--catch-up <which>", "missed runs: none, last, or within a duration (default: last)")
    .option("--unique <key>", "leave a run out while a task with this key waits or runs")
    .option("--queue <name>", "the queue to wait in")
    .option("--priority <n>", "0 to 9, 9 runs first")
    .option("--header <key=value>", "travels with each task; may be given several times", collect)
    .option("--attempts <n>", "attempts of each task in all")
    .option("--timeout <duration>", "how long one attempt may take")
    .option("--total-timeout <duration>", "how long each task may take in all")
    .option("--expires-in <duration>", "a task that was not started by then is dropped")
    .option("--retention <duration>", "how long each task is kept after its end")
    .addOption(whenOption())
    .option("--preempt", PREEMPT_TEXT)
    .option("--replace", "replace the definition of a schedule that exists")
    .addHelpText("after", CREATE_EXAMPLES)
    .action((name: string, _options, command: Command) =>
      createSchedule(cli, name, command.optsWithGlobals<CreateArguments>()),
    );
  addWhen(
    schedules
      .command("preview")
      .description("Shows when a schedule will run, one that exists or one that is thought of.")
      .argument("[name]", "the schedule's name"),
  )
    .option("--count <n>", "how many runs, 1 to 1000 (default: 10)")
    .addHelpText("after", PREVIEW_EXAMPLES)
    .action((name: string | undefined, _options, command: Command) =>
      preview(cli, name, command.optsWithGlobals<PreviewArguments>()),
    );
}

function addWhen(command: Command): Command {
  return command
    .option("--cron <expression>", "5 fields, 6 with seconds first, or @daily and the like")
    .option("--every <duration>", "an interval, from 1 s")
    .option("--at <time>", "a single run, as in 2030-01-31T09:00:00Z")
    .option("--time-zone <zone>", "of --cron, as in Europe/Berlin (default: UTC)")
    .addOption(
      new Option(
        "--dst-missing <policy>",
        "for times that a change of the clock leaves out (default: shift)",
      ).choices(["shift", "skip"]),
    )
    .addOption(
      new Option(
        "--dst-repeated <policy>",
        "for times that a change of the clock repeats (default: first)",
      ).choices(["first", "both"]),
    )
    .option("--start <time>", "no run before")
    .option("--end <time>", "no run after");
}

async function createSchedule(cli: Cli, name: string, options: CreateArguments): Promise<void> {
  const { replace = false, task } = options;
  const input = await readInput(options.input, cli.stdin);
  const tasks = options.app === undefined ? [] : await loadTasks(options.app);
  const schedule: ScheduleOptions = {
    task,
    ...(input !== undefined && { input }),
    ...whenOf(options),
    ...settingsOf(options),
  };
  const made = await withApp(cli, { ...options, tasks }, async (app) => {
    if (options.app !== undefined) app.registry.get(task);
    return replace ? app.schedules.upsert(name, schedule) : app.schedules.create(name, schedule);
  });
  saySchedule(cli.output, made);
}

function whenOf(options: WhenArguments): ScheduleSettings {
  const { every, cron, at, timeZone, dstMissing, dstRepeated, start, end } = options;
  const dst: DstOptions = {
    ...(dstMissing !== undefined && { missing: dstMissing }),
    ...(dstRepeated !== undefined && { repeated: dstRepeated }),
  };
  return {
    ...(every !== undefined && { every: durationArgument(every) }),
    ...(cron !== undefined && { cron }),
    ...(at !== undefined && { at }),
    ...(timeZone !== undefined && { timeZone }),
    ...(Object.keys(dst).length > 0 && { dst }),
    ...(start !== undefined && { start }),
    ...(end !== undefined && { end }),
  };
}

function settingsOf(options: CreateArguments): ScheduleSettings {
  const { overlap, catchUp, unique, queue, priority, attempts, when, preempt } = options;
  const headers = headersOf(options.header);
  const durations = ["jitter", "timeout", "totalTimeout", "expiresIn", "retention"] as const;
  const given = durations.flatMap((member) => {
    const text = options[member];
    return text === undefined ? [] : [[member, durationArgument(text)]];
  });
  return {
    ...Object.fromEntries(given),
    ...(overlap !== undefined && { overlap }),
    ...(catchUp !== undefined && { catchUp: durationArgument(catchUp) }),
    ...(unique !== undefined && { unique }),
    ...(queue !== undefined && { queue }),
    ...(priority !== undefined && { priority: wholeNumber("--priority", priority) }),
    ...(headers !== undefined && { headers }),
    ...(when !== undefined && { when }),
    ...(preempt !== undefined && { preempt }),
    ...(attempts !== undefined && { retry: { attempts: wholeNumber("--attempts", attempts) } }),
  };
}

async function preview(
  cli: Cli,
  name: string | undefined,
  { count = "10", ...options }: PreviewArguments,
): Promise<void> {
  const when = whenOf(options);
  if ((name === undefined) === (Object.keys(when).length === 0)) {
    throw new InvalidOptionsError(
      "preview takes either a schedule's name or --cron, --every, --at.",
    );
  }
  const { runs, zone } = await withApp(cli, options, async ({ schedules }) => ({
    runs: await schedules.preview(name ?? when, wholeNumber("--count", count)),
    zone: name === undefined ? when.timeZone : (await schedules.get(name))?.timeZone,
  }));
  if (cli.output.json) for (const run of runs) cli.output.record({ run });
  else for (const run of runs) cli.output.line(lineOf(run, zone));
  if (runs.length === 0) cli.output.note("No run any more.");
}

/** The instant, and what the clock of the zone says then. */
function lineOf(run: Date, timeZone: string | undefined): string {
  const utc = timeText(run) ?? "";
  if (timeZone === undefined || timeZone === "UTC") return utc;
  const local = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    weekday: "short",
    day: "2-digit",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZoneName: "short",
  });
  return `${utc}  ${local.format(run)}`;
}

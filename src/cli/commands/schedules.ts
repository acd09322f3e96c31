import type { Command } from "commander";
import { requireScheduleName } from "../../schedule/resolve-schedule.ts";
import { ScheduleNotFoundError } from "../../schedule/schedule-errors.ts";
import type { ScheduleView } from "../../schedule/schedule-view.ts";
import { wholeNumber } from "../arguments.ts";
import { type Cli, type GlobalOptions, withApp } from "../cli.ts";
import { reportFailure } from "../failure.ts";
import { saySchedule, timeText, whenText } from "../schedule-text.ts";
import { addSchedulesCreate } from "./schedules-create.ts";

interface ListArguments extends GlobalOptions {
  readonly limit?: string;
  readonly cursor?: string;
}

interface PauseArguments extends GlobalOptions {
  readonly reason?: string;
  readonly by?: string;
}

const EXAMPLES = `
Schedules live in the store; whichever Beat leads runs them, so at least one worker or
etask beat has to run.

Examples:
  $ etask schedules create nightly --task disk.scrub --cron '0 3 * * *' --time-zone Europe/Berlin
  $ etask schedules preview nightly
`;

/** Adds `etask schedules` with its subcommands. */
export function addSchedules(program: Command, cli: Cli): void {
  const schedules = program
    .command("schedules")
    .summary("make, show, pause and run periodic tasks")
    .description("Makes and shows periodic tasks, and pauses, runs and removes them.")
    .addHelpText("after", EXAMPLES);
  schedules
    .command("list")
    .description("Lists schedules in the order of their names.")
    .option("--limit <n>", "at most this many, 1 to 1000 (default: 100)")
    .option("--cursor <name>", "go on after this name")
    .addHelpText("after", "\nExample:\n  $ etask schedules list\n")
    .action((_options, command: Command) => list(cli, command.optsWithGlobals<ListArguments>()));
  schedules
    .command("get")
    .description("Shows one schedule, when it runs next, and how its last runs went.")
    .argument("<name>", "the schedule's name")
    .addHelpText("after", "\nExample:\n  $ etask schedules get nightly\n")
    .action((name: string, _options, command: Command) =>
      get(cli, name, command.optsWithGlobals<GlobalOptions>()),
    );
  addSchedulesCreate(schedules, cli);
  addChanges(schedules, cli);
}

function addChanges(schedules: Command, cli: Cli): void {
  schedules
    .command("pause")
    .description("Stops the runs of a schedule; tasks that exist go on.")
    .argument("<name>", "the schedule's name")
    .option("--reason <text>", "why, for those who look at it")
    .option("--by <text>", "who does it")
    .addHelpText("after", "\nExample:\n  $ etask schedules pause nightly --reason 'new disks'\n")
    .action((name: string, _options, command: Command) =>
      pause(cli, name, command.optsWithGlobals<PauseArguments>()),
    );
  schedules
    .command("resume")
    .description("Goes on after a pause, with the first run after now.")
    .argument("<name>", "the schedule's name")
    .addHelpText("after", "\nExample:\n  $ etask schedules resume nightly\n")
    .action((name: string, _options, command: Command) =>
      resume(cli, name, command.optsWithGlobals<GlobalOptions>()),
    );
  schedules
    .command("trigger")
    .description("Runs a schedule once, now, and prints the task's id; its rhythm stays.")
    .argument("<name>", "the schedule's name")
    .addHelpText("after", "\nExample:\n  $ etask schedules trigger nightly\n")
    .action((name: string, _options, command: Command) =>
      trigger(cli, name, command.optsWithGlobals<GlobalOptions>()),
    );
  schedules
    .command("remove")
    .description("Removes schedules; tasks that they made go on.")
    .argument("<names...>", "the schedules' names")
    .addHelpText("after", "\nExample:\n  $ etask schedules remove nightly\n")
    .action((names: readonly string[], _options, command: Command) =>
      remove(cli, names, command.optsWithGlobals<GlobalOptions>()),
    );
}

async function list(cli: Cli, { limit, cursor, ...global }: ListArguments): Promise<void> {
  const { output } = cli;
  const options = {
    ...(limit !== undefined && { limit: wholeNumber("--limit", limit) }),
    ...(cursor !== undefined && { cursor }),
  };
  const page = await withApp(cli, global, (app) => app.schedules.list(options));
  if (output.json) for (const schedule of page.schedules) output.record(schedule);
  else if (page.schedules.length > 0) output.table(TITLES, page.schedules.map(rowOf));
  else if (page.cursor === undefined) output.note("No schedules.");
  if (page.cursor === undefined) return;
  output.note(`There is more: add --cursor ${page.cursor}`, { cursor: page.cursor });
}

const TITLES = ["NAME", "TASK", "WHEN", "NEXT RUN", "LAST RUN", "STATE", "FIRED"];

function rowOf(schedule: ScheduleView): string[] {
  const { name, task, paused, nextRun, runs, fired } = schedule;
  const last = runs.at(-1);
  return [
    name,
    task,
    whenText(schedule),
    paused ? "paused" : (timeText(nextRun) ?? "-"),
    timeText(last?.tick) ?? "-",
    last?.state ?? "-",
    String(fired),
  ];
}

async function get(cli: Cli, name: string, global: GlobalOptions): Promise<void> {
  const schedule = await withApp(cli, global, (app) => app.schedules.get(name));
  if (!schedule) throw new ScheduleNotFoundError(name);
  saySchedule(cli.output, schedule);
}

async function pause(cli: Cli, name: string, { reason, by, ...global }: PauseArguments) {
  const options = { ...(reason !== undefined && { reason }), ...(by !== undefined && { by }) };
  const schedule = await withApp(cli, global, (app) => app.schedules.pause(name, options));
  if (cli.output.json) cli.output.record(schedule);
  else cli.output.line(`${name} paused`);
}

async function resume(cli: Cli, name: string, global: GlobalOptions): Promise<void> {
  const schedule = await withApp(cli, global, (app) => app.schedules.resume(name));
  if (cli.output.json) cli.output.record(schedule);
  else cli.output.line(`${name} runs next at ${timeText(schedule.nextRun) ?? "no time any more"}`);
}

async function trigger(cli: Cli, name: string, global: GlobalOptions): Promise<void> {
  const { id, revision } = await withApp(cli, global, (app) => app.schedules.trigger(name));
  if (cli.output.json) cli.output.record({ id, revision });
  else cli.output.line(id);
}

async function remove(cli: Cli, names: readonly string[], global: GlobalOptions): Promise<void> {
  const { output } = cli;
  for (const name of names) requireScheduleName(name);
  await withApp(cli, global, async (app) => {
    for (const name of names) {
      try {
        if (!(await app.schedules.remove(name))) throw new ScheduleNotFoundError(name);
        if (output.json) output.record({ name, removed: true });
        else output.line(`${name} removed`);
      } catch (error) {
        cli.exitCode = Math.max(cli.exitCode, reportFailure(error, output, cli.env));
      }
    }
  });
}

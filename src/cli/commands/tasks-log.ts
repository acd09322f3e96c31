import type { Command } from "commander";
import { TaskNotFoundError } from "../../task/failure.ts";
import type { LogLine } from "../../task/log.ts";
import { wholeNumber } from "../arguments.ts";
import { type Cli, type GlobalOptions, withApp } from "../cli.ts";
import { printable } from "../output.ts";
import { catchStopSignals } from "../stop-signal.ts";

interface LogArguments extends GlobalOptions {
  readonly after?: string;
  readonly follow?: boolean;
}

const EXAMPLES = `
Shows what the task's handler logged, attempt after attempt; the newest 128 KiB are kept.

Examples:
  $ etask tasks log node-7/sdb
  $ etask tasks log node-7/sdb --follow
  $ etask tasks log node-7/sdb --after 120 --json
`;

/** Adds `etask tasks log`. */
export function addTasksLog(tasks: Command, cli: Cli): void {
  tasks
    .command("log")
    .description("Shows the log of a task.")
    .argument("<id>", "the task's id")
    .option("--after <line>", "only the lines after the one of this number")
    .option("--follow", "go on with the lines that come, until the task has ended")
    .addHelpText("after", EXAMPLES)
    .action((id: string, _options, command: Command) =>
      showLog(cli, id, command.optsWithGlobals<LogArguments>()),
    );
}

async function showLog(
  cli: Cli,
  id: string,
  { after, follow, ...global }: LogArguments,
): Promise<void> {
  const { output } = cli;
  const options = after === undefined ? {} : { after: wholeNumber("--after", after) };
  await withApp(cli, global, async ({ backend }) => {
    if (!(await backend.get(id))) throw new TaskNotFoundError(id);
    let next = (options.after ?? -1) + 1;
    const say = (line: LogLine) => {
      if (line.line > next) output.note(`${line.line - next} lines are no longer kept.`);
      next = line.line + 1;
      if (output.json) output.record(line);
      else output.line(lineText(line));
    };
    if (!follow) {
      const { lines } = await backend.log(id, options);
      lines.forEach(say);
      if (lines.length === 0) output.note("No lines.");
      return;
    }
    using stop = catchStopSignals(cli.clock);
    for await (const line of backend.followLog(id, { ...options, signal: stop.signal })) {
      say(line);
      await output.flushed();
    }
  });
}

function lineText({ at, attempt, text }: LogLine): string {
  return printable(`${at.toISOString()} #${attempt} ${text}`);
}

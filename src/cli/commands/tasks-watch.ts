import type { Command } from "commander";
import type { TaskChange } from "../../backend/watch-tasks.ts";
import { currentRevision } from "../../task/current-revision.ts";
import { wholeNumber } from "../arguments.ts";
import { type Cli, type GlobalOptions, withApp } from "../cli.ts";
import { printable } from "../output.ts";
import { catchStopSignals } from "../stop-signal.ts";

interface WatchArguments extends GlobalOptions {
  readonly prefix?: string;
  readonly after?: string;
}

const EXAMPLES = `
One line for each change, in order, without gaps, until SIGINT or SIGTERM; then it says
from which revision another watch goes on. Several changes may share a revision.

Examples:
  $ etask tasks watch --prefix node-7/
  $ etask tasks watch --after 1042 --json
`;

/** Adds `etask tasks watch`. */
export function addTasksWatch(tasks: Command, cli: Cli): void {
  tasks
    .command("watch")
    .description("Shows changes of tasks as they happen.")
    .option("--prefix <prefix>", "only ids that begin with this")
    .option("--after <revision>", "changes after this revision (default: from now on)")
    .addHelpText("after", EXAMPLES)
    .action((_options, command: Command) => watch(cli, command.optsWithGlobals<WatchArguments>()));
}

async function watch(cli: Cli, { prefix, after, ...global }: WatchArguments): Promise<void> {
  const { output } = cli;
  const given = after === undefined ? undefined : wholeNumber("--after", after);
  using stop = catchStopSignals(cli.clock);
  await withApp(cli, global, async (app) => {
    let revision = given ?? (await currentRevision(app.store));
    output.note(`Watching changes after revision ${revision}.`, { revision });
    const changes = app.backend.watch({
      after: revision,
      signal: stop.signal,
      ...(prefix !== undefined && { prefix }),
    });
    // After the signal the rest of a revision still comes, so that the last one shown is whole.
    for await (const change of changes) {
      revision = change.revision;
      if (output.json) output.record(change);
      else output.line(changeText(change));
      await output.flushed();
    }
    output.note(`Stopped. Another watch goes on with --after ${revision}`, { revision });
  });
}

function changeText({ revision, id, kind, task }: TaskChange): string {
  const progress = task?.progress ? ` ${task.progress.percent}%` : "";
  const what = task ? `${task.name}  ${task.state}${progress}` : "";
  return printable(`${revision}  ${kind.padEnd(8)}  ${id}  ${what}`.trimEnd());
}

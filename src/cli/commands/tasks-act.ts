import type { Command } from "commander";
import { InvalidOptionsError } from "../../base/errors.ts";
import type { CancelReceipt } from "../../task/control.ts";
import { requireId } from "../../task/names.ts";
import { durationArgument, readInput, wholeNumber } from "../arguments.ts";
import { type Cli, type GlobalOptions, withApp } from "../cli.ts";
import { reportFailure } from "../failure.ts";
import { loadTasksIn, type WithTasks } from "../load-tasks.ts";

interface CancelArguments extends GlobalOptions {
  readonly reason?: string;
  readonly by?: string;
  readonly grace?: string;
}

interface EditArguments extends WithTasks {
  readonly input?: string;
  readonly priority?: string;
  readonly queue?: string;
  readonly in?: string;
  readonly at?: string;
}

const CANCEL_EXAMPLES = `
A task that waits has ended at once. For one that runs the wish is stored, its worker tells
the handler, and after the grace the task has ended whatever the handler does. A handler
that finishes first has finished. Cancelling again, or after the end, is no error.

Example:
  $ etask tasks cancel node-7/sdb --reason 'disk was replaced' --by anna --grace 30s
`;

const EDIT_EXAMPLES = `
Edits a task that waits; one that runs or has ended is left alone.

Examples:
  $ etask tasks edit node-7/sdb --input '{"device":"/dev/sdc"}' --priority 9
  $ etask tasks edit node-7/sdb --in 2h
  $ etask tasks edit node-7/sdb --in 0
`;

/** Adds `etask tasks cancel` and `edit`. */
export function addTasksAct(tasks: Command, cli: Cli): void {
  tasks
    .command("cancel")
    .description("Cancels tasks that wait or run.")
    .argument("<ids...>", "the tasks' ids")
    .option("--reason <text>", "why, for those who look at it")
    .option("--by <text>", "who does it")
    .option("--grace <duration>", "how long a running handler has to obey (default: 10s)")
    .addHelpText("after", CANCEL_EXAMPLES)
    .action((ids: readonly string[], _options, command: Command) =>
      cancel(cli, ids, command.optsWithGlobals<CancelArguments>()),
    );
  tasks
    .command("edit")
    .description("Changes what a waiting task is, where it waits, and until when.")
    .argument("<id>", "the task's id")
    .option("--input <json>", "its new input: JSON, @FILE, or - for stdin")
    .option("--app <file>", "module that exports the task: checks the input before")
    .option("--queue <name>", "the queue to wait in")
    .option("--priority <n>", "0 to 9, 9 runs first")
    .option("--in <duration>", "ready so long from now; 0: now")
    .option("--at <time>", "ready at that time, as in 2030-01-31T09:00:00Z")
    .addHelpText("after", EDIT_EXAMPLES)
    .action((id: string, _options, command: Command) =>
      edit(cli, id, command.optsWithGlobals<EditArguments>()),
    );
}

async function cancel(
  cli: Cli,
  ids: readonly string[],
  { reason, by, grace, ...global }: CancelArguments,
): Promise<void> {
  const { output } = cli;
  for (const id of ids) requireId(id);
  const options = {
    ...(reason !== undefined && { reason }),
    ...(by !== undefined && { by }),
    ...(grace !== undefined && { grace: durationArgument(grace) }),
  };
  await withApp(cli, global, async ({ broker }) => {
    for (const id of ids) {
      try {
        const receipt = await broker.cancel(id, options);
        if (output.json) output.record(receipt);
        else output.line(`${id} ${outcomeText(receipt)}`);
      } catch (error) {
        cli.exitCode = Math.max(cli.exitCode, reportFailure(error, output, cli.env));
      }
    }
  });
}

function outcomeText({ outcome, state }: CancelReceipt): string {
  switch (outcome) {
    case "cancelled":
      return "cancelled";
    case "requested":
      return "runs; its worker is told to stop";
    case "already-requested":
      return "runs; its worker was told to stop before, nothing was changed";
    case "ended":
      return `had ended before as ${state}, nothing was changed`;
  }
}

async function edit(cli: Cli, id: string, options: EditArguments): Promise<void> {
  const { output } = cli;
  const { queue, priority, in: delay, at } = options;
  const change = {
    ...(queue !== undefined && { queue }),
    ...(priority !== undefined && { priority: wholeNumber("--priority", priority) }),
    ...(delay !== undefined && { in: durationArgument(delay) }),
    ...(at !== undefined && { at }),
    ...(options.input !== undefined && { input: await readInput(options.input, cli.stdin) }),
  };
  if (Object.keys(change).length === 0) {
    throw new InvalidOptionsError("Nothing to change: give at least one of the options.");
  }
  const tasks = await loadTasksIn(options);
  const revision = await withApp(cli, { ...options, tasks }, ({ broker }) =>
    broker.update(id, change),
  );
  if (output.json) output.record({ id, revision });
  else output.line(`${id} changed`);
}

import { type Command, Option } from "commander";
import { TaskNotFoundError } from "../../task/failure.ts";
import { requireId } from "../../task/names.ts";
import { TASK_STATES, type TaskState } from "../../task/state.ts";
import type { TaskView } from "../../task/view.ts";
import { wholeNumber } from "../arguments.ts";
import { type Cli, type GlobalOptions, withApp } from "../cli.ts";
import { reportFailure } from "../failure.ts";
import { ageText } from "../output.ts";
import { sayTask } from "../task-text.ts";
import { addTasksAct } from "./tasks-act.ts";
import { addTasksFailed } from "./tasks-failed.ts";
import { addTasksLog } from "./tasks-log.ts";
import { addTasksWatch } from "./tasks-watch.ts";

interface ListArguments extends GlobalOptions {
  readonly prefix?: string;
  readonly state?: TaskState;
  readonly limit?: string;
  readonly cursor?: string;
}

const LIST_EXAMPLES = `
Examples:
  $ etask tasks list --prefix node-7/ --state failed
  $ etask tasks list --limit 1000 --json | jq -r .id
`;

const GET_EXAMPLES = `
Example:
  $ etask tasks get node-7/01J1RXAMZZ8M0S2T0V7Y6C2W5N
`;

const REMOVE_EXAMPLES = `
Removes tasks that wait or have ended; a running task is left alone.

Example:
  $ etask tasks remove node-7/01J1RXAMZZ8M0S2T0V7Y6C2W5N
`;

/** Adds `etask tasks` with its subcommands. */
export function addTasks(program: Command, cli: Cli): void {
  const tasks = program
    .command("tasks")
    .summary("list, show, watch, cancel, edit, retry and remove tasks, read their logs")
    .description("Shows what became of tasks, cancels, edits, retries and removes them.")
    .addHelpText("after", "\nExample:\n  $ etask tasks list --state failed\n");
  tasks
    .command("list")
    .description("Lists tasks in the order of their ids.")
    .option("--prefix <prefix>", "only ids that begin with this")
    .addOption(new Option("--state <state>", "only tasks in this state").choices(TASK_STATES))
    .option("--limit <n>", "at most this many, 1 to 1000 (default: 100)")
    .option("--cursor <id>", "go on after this id")
    .addHelpText("after", LIST_EXAMPLES)
    .action((_options, command: Command) => list(cli, command.optsWithGlobals<ListArguments>()));
  tasks
    .command("get")
    .description("Shows one task with everything that is known of it.")
    .argument("<id>", "the task's id")
    .addHelpText("after", GET_EXAMPLES)
    .action((id: string, _options, command: Command) =>
      get(cli, id, command.optsWithGlobals<GlobalOptions>()),
    );
  addTasksLog(tasks, cli);
  addTasksWatch(tasks, cli);
  addTasksFailed(tasks, cli);
  addTasksAct(tasks, cli);
  tasks
    .command("remove")
    .description("Removes tasks with all that is known of them.")
    .argument("<ids...>", "the tasks' ids")
    .addHelpText("after", REMOVE_EXAMPLES)
    .action((ids: readonly string[], _options, command: Command) =>
      remove(cli, ids, command.optsWithGlobals<GlobalOptions>()),
    );
}

async function list(cli: Cli, { prefix, state, limit, cursor, ...global }: ListArguments) {
  const { output } = cli;
  const options = {
    ...(prefix !== undefined && { prefix }),
    ...(state !== undefined && { state }),
    ...(limit !== undefined && { limit: wholeNumber("--limit", limit) }),
    ...(cursor !== undefined && { cursor }),
  };
  const page = await withApp(cli, global, (app) => app.backend.list(options));
  if (output.json) for (const task of page.tasks) output.record(task);
  else if (page.tasks.length > 0) output.table(...tableOf(page.tasks, cli.clock.now()));
  else if (page.cursor === undefined) output.note("No tasks.");
  if (page.cursor === undefined) return;
  output.note(`There is more: add --cursor ${page.cursor}`, { cursor: page.cursor });
}

function tableOf(tasks: readonly TaskView[], now: number): [string[], string[][]] {
  const rows = tasks.map((task) => [
    task.id,
    task.name,
    task.queue,
    task.state,
    String(task.attempt),
    task.progress === undefined ? "-" : `${task.progress.percent}%`,
    ageText(now - task.createdAt.getTime()),
  ]);
  return [["ID", "NAME", "QUEUE", "STATE", "ATTEMPT", "PROGRESS", "AGE"], rows];
}

async function get(cli: Cli, id: string, global: GlobalOptions): Promise<void> {
  const task = await withApp(cli, global, (app) => app.backend.get(id));
  if (!task) throw new TaskNotFoundError(id);
  if (cli.output.json) cli.output.record(task);
  else sayTask(cli.output, task);
}

async function remove(cli: Cli, ids: readonly string[], global: GlobalOptions): Promise<void> {
  const { output } = cli;
  for (const id of ids) requireId(id);
  await withApp(cli, global, async (app) => {
    for (const id of ids) {
      try {
        if (!(await app.backend.remove(id))) throw new TaskNotFoundError(id);
        if (output.json) output.record({ id, removed: true });
        else output.line(`${id} removed`);
      } catch (error) {
        cli.exitCode = Math.max(cli.exitCode, reportFailure(error, output, cli.env));
      }
    }
  });
}

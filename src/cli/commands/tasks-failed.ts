import { type Command, Option } from "commander";
import { InvalidOptionsError } from "../../base/errors.ts";
import { type DeadLetter, type DeadLetterFilter, FAIL_REASONS } from "../../broker/dead-letters.ts";
import type { RetryManyReport } from "../../broker/retry-many.ts";
import type { EditOptions } from "../../task/control.ts";
import { requireId } from "../../task/names.ts";
import type { FailReason } from "../../task/records.ts";
import { durationArgument, readInput, wholeNumber } from "../arguments.ts";
import { type Cli, type GlobalOptions, withApp } from "../cli.ts";
import { reportFailure } from "../failure.ts";
import { loadTasksIn, type WithTasks } from "../load-tasks.ts";
import { ageText } from "../output.ts";

interface FilterArguments {
  readonly queue?: string;
  readonly reason?: FailReason;
  readonly error?: string;
  readonly name?: string;
  readonly prefix?: string;
  readonly limit?: string;
}

interface FailedArguments extends GlobalOptions, FilterArguments {
  readonly cursor?: string;
}

interface RetryArguments extends WithTasks, FilterArguments {
  readonly all?: boolean;
  readonly dryRun?: boolean;
  readonly input?: string;
  readonly toQueue?: string;
  readonly priority?: string;
  readonly in?: string;
  readonly at?: string;
}

const FAILED_EXAMPLES = `
Examples:
  $ etask tasks failed --queue mail --reason timeout
  $ etask tasks failed --error TimeoutError --json | jq -r .id
`;

const RETRY_EXAMPLES = `
With ids: runs these tasks once more, however they ended. Without: runs failed tasks once
more, those that all the filters fit, or with --all every one. A retry is a new generation
of the same id: its attempts and time limits begin anew, its history stays.

Examples:
  $ etask tasks retry node-7/sdb --input '{"device":"/dev/sdc"}'
  $ etask tasks retry --queue mail --error TimeoutError --limit 1000 --dry-run
`;

/** Adds `etask tasks failed` and `retry`. */
export function addTasksFailed(tasks: Command, cli: Cli): void {
  const failed = tasks
    .command("failed")
    .description("Lists failed tasks by queue, the oldest failure of each first, with reasons.");
  addFilters(failed)
    .option("--limit <n>", "at most this many, 1 to 1000 (default: 100)")
    .option("--cursor <key>", "go on where another page ended")
    .addHelpText("after", FAILED_EXAMPLES)
    .action((_options, command: Command) =>
      listFailed(cli, command.optsWithGlobals<FailedArguments>()),
    );
  const retry = tasks
    .command("retry")
    .description("Runs tasks that have ended once more.")
    .argument("[ids...]", "the tasks' ids; without, choose failed tasks by filters");
  addFilters(retry)
    .option("--all", "without ids and filters: all failed tasks")
    .option("--limit <n>", "at most this many, 1 to 10000 (default: 1000)")
    .option("--dry-run", "only say which")
    .option("--input <json>", "instead of the old input: JSON, @FILE, or - for stdin")
    .option("--app <file>", "module that exports the tasks: checks the input before")
    .option("--to-queue <name>", "the queue to wait in now")
    .option("--priority <n>", "0 to 9, 9 runs first")
    .option("--in <duration>", "ready so long from now")
    .option("--at <time>", "ready at that time, as in 2030-01-31T09:00:00Z")
    .addHelpText("after", RETRY_EXAMPLES)
    .action((ids: readonly string[], _options, command: Command) =>
      retryTasks(cli, ids, command.optsWithGlobals<RetryArguments>()),
    );
}

function addFilters(command: Command): Command {
  return command
    .option("--queue <name>", "only those that waited in this queue last")
    .addOption(new Option("--reason <reason>", "only those for it").choices(FAIL_REASONS))
    .option("--error <name>", "only those whose error has this name or code")
    .option("--name <task>", "only tasks of this name")
    .option("--prefix <prefix>", "only ids that begin with this");
}

function filterOf({ queue, reason, error, name, prefix }: FilterArguments): DeadLetterFilter {
  return {
    ...(queue !== undefined && { queue }),
    ...(reason !== undefined && { reason }),
    ...(error !== undefined && { error }),
    ...(name !== undefined && { name }),
    ...(prefix !== undefined && { prefix }),
  };
}

async function listFailed(cli: Cli, options: FailedArguments): Promise<void> {
  const { output } = cli;
  const { limit, cursor } = options;
  const page = await withApp(cli, options, ({ broker }) =>
    broker.deadLetters({
      ...filterOf(options),
      ...(limit !== undefined && { limit: wholeNumber("--limit", limit) }),
      ...(cursor !== undefined && { cursor }),
    }),
  );
  if (output.json) for (const letter of page.letters) output.record(letter);
  else if (page.letters.length > 0) output.table(...tableOf(page.letters, cli.clock.now()));
  else if (page.cursor === undefined) output.note("No failed tasks.");
  if (page.cursor === undefined) return;
  output.note(`There is more: add --cursor ${page.cursor}`, { cursor: page.cursor });
}

function tableOf(letters: readonly DeadLetter[], now: number): [string[], string[][]] {
  const rows = letters.map(({ id, name, queue, reason, attempt, error, failedAt }) => [
    id,
    name,
    queue,
    reason,
    String(attempt),
    ageText(now - failedAt.getTime()),
    shortened(`${error.name}: ${error.message}`),
  ]);
  return [["ID", "NAME", "QUEUE", "REASON", "ATTEMPT", "AGE", "ERROR"], rows];
}

const ERROR_SHOWN_MAX = 80;

function shortened(text: string): string {
  return text.length <= ERROR_SHOWN_MAX ? text : `${text.slice(0, ERROR_SHOWN_MAX - 1)}…`;
}

async function retryTasks(cli: Cli, ids: readonly string[], options: RetryArguments) {
  const filter = filterOf(options);
  requireOneWay(ids, filter, options);
  const change = await changeOf(cli, options);
  const tasks = await loadTasksIn(options);
  await withApp(cli, { ...options, tasks }, async ({ broker }) => {
    if (ids.length > 0) {
      for (const id of ids) await retryOne(cli, () => broker.retry(id, change));
      return;
    }
    const { limit, dryRun = false } = options;
    const report = await broker.retryMany({
      ...filter,
      ...(limit !== undefined && { limit: wholeNumber("--limit", limit) }),
      dryRun,
      change,
    });
    sayReport(cli, report, dryRun);
  });
}

/** A forgotten argument must not run everything once more. */
function requireOneWay(ids: readonly string[], filter: DeadLetterFilter, options: RetryArguments) {
  const { all, dryRun, limit } = options;
  const filtered = Object.keys(filter).length > 0;
  if (ids.length > 0 && (filtered || all || dryRun || limit !== undefined)) {
    throw new InvalidOptionsError("Give either ids, or filters with --limit and --dry-run.");
  }
  if (ids.length === 0 && !filtered && !all) {
    throw new InvalidOptionsError("Say which tasks: ids, a filter such as --queue, or --all.");
  }
  for (const id of ids) requireId(id);
}

async function changeOf(cli: Cli, options: RetryArguments): Promise<EditOptions> {
  const { input, toQueue, priority, in: delay, at } = options;
  return {
    ...(input !== undefined && { input: await readInput(input, cli.stdin) }),
    ...(toQueue !== undefined && { queue: toQueue }),
    ...(priority !== undefined && { priority: wholeNumber("--priority", priority) }),
    ...(delay !== undefined && { in: durationArgument(delay) }),
    ...(at !== undefined && { at }),
  };
}

async function retryOne(
  cli: Cli,
  retry: () => Promise<{ id: string; generation: number }>,
): Promise<void> {
  const { output } = cli;
  try {
    const receipt = await retry();
    if (output.json) output.record(receipt);
    else output.line(`${receipt.id} runs once more, generation ${receipt.generation}`);
  } catch (error) {
    cli.exitCode = Math.max(cli.exitCode, reportFailure(error, output, cli.env));
  }
}

function sayReport({ output }: Cli, report: RetryManyReport, dryRun: boolean): void {
  const { retried, skipped, ids, more } = report;
  if (output.json) output.record({ ...report, dryRun });
  else for (const id of ids) output.line(id);
  if (output.json) return;
  const would = dryRun ? "would run" : "run";
  const rest = skipped > 0 ? `; ${skipped} were not failed any more, or are not unique` : "";
  output.note(`${retried} ${would} once more${rest}${more ? "; there may be more that fit" : ""}.`);
}

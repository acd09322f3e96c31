import type { Command } from "commander";
import { InvalidOptionsError } from "../../base/errors.ts";
import type { DelayOptions } from "../../task/enqueue-options.ts";
import type { TaskHandle, WaitOptions } from "../../task/handle.ts";
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

interface Options extends GlobalOptions {
  readonly input?: string;
  readonly app?: string;
  readonly id?: string;
  readonly idPrefix?: string;
  readonly unique?: string;
  readonly queue?: string;
  readonly priority?: string;
  readonly header?: readonly string[];
  readonly wait?: boolean;
  readonly waitTimeout?: string;
  readonly in?: string;
  readonly at?: string;
  readonly expiresIn?: string;
  readonly timeout?: string;
  readonly totalTimeout?: string;
  readonly when?: "always" | "idle";
  readonly preempt?: boolean;
}

const EXAMPLES = `
Prints the task's id. With --wait, then its result as JSON; the exit code is 1 when the
task fails, or when the time is over first.

Examples:
  $ etask enqueue disk.format --input '{"device":"/dev/sdb"}' --id-prefix node-7/
  $ etask enqueue report.build --input @report.json --app tasks.ts --wait --wait-timeout 5m
  $ etask enqueue disk.scan --unique sdb
  $ etask enqueue mail.send --in 2h --expires-in 1d --timeout 30s --total-timeout 1h
  $ etask enqueue disk.scrub --when idle --preempt
  $ echo '[1,2,3]' | etask enqueue sum --input - --priority 9 --header trace=abc
`;

/** Adds `etask enqueue`. */
export function addEnqueue(program: Command, cli: Cli): void {
  program
    .command("enqueue")
    .summary("hand over a task")
    .description("Hands a task over and prints its id as soon as the store has it on disk.")
    .argument("<name>", "the task's name")
    .option("--input <json>", "JSON, @FILE, or - for stdin (default: no input)")
    .option("--app <file>", "module that exports the task: checks name and input before")
    .option("--id <id>", "the whole id; a second task with the same id is not created")
    .option("--id-prefix <prefix>", "begins the generated id")
    .option("--unique <key>", "while a task with this key waits or runs, no second one is created")
    .option("--queue <name>", "the queue to wait in")
    .option("--priority <n>", "0 to 9, 9 runs first")
    .option("--header <key=value>", "travels with the task; may be given several times", collect)
    .option("--in <duration>", "ready so long from now")
    .option("--at <time>", "ready at that time, as in 2030-01-31T09:00:00Z")
    .option("--expires-in <duration>", "expires when it was not started by then")
    .option("--timeout <duration>", "how long one attempt may take")
    .option("--total-timeout <duration>", "how long it may take in all")
    .addOption(whenOption())
    .option("--preempt", PREEMPT_TEXT)
    .option("--wait", "wait for the task to end and print its result")
    .option("--wait-timeout <duration>", "with --wait: how long, as in 5m (default: no limit)")
    .addHelpText("after", EXAMPLES)
    .action((name: string, _options, command: Command) =>
      enqueue(cli, name, command.optsWithGlobals<Options>()),
    );
}

async function enqueue(cli: Cli, name: string, options: Options): Promise<void> {
  if (options.waitTimeout !== undefined && options.wait !== true) {
    throw new InvalidOptionsError("--wait-timeout needs --wait.");
  }
  const delayOptions = delayOptionsOf(options);
  const input = await readInput(options.input, cli.stdin);
  const tasks = options.app === undefined ? [] : await loadTasks(options.app);
  await withApp(cli, { ...options, tasks }, async (app) => {
    if (options.app !== undefined) app.registry.get(name);
    const task = await app.enqueue(name, input, delayOptions);
    sayEnqueued(cli, task);
    if (options.wait === true) await waitFor(cli, task, options.waitTimeout);
  });
}

function sayEnqueued({ output }: Cli, { id, created, revision }: TaskHandle): void {
  if (output.json) output.record({ id, created, revision });
  else output.line(id);
  if (!created) output.note(`task ${id} exists already; not created again`, { id });
}

async function waitFor(cli: Cli, task: TaskHandle, timeout: string | undefined): Promise<void> {
  const options: WaitOptions = timeout === undefined ? {} : { timeout: durationArgument(timeout) };
  const result = (await task.result(options)) ?? null;
  if (cli.output.json) cli.output.record({ id: task.id, state: "succeeded", result });
  else cli.output.record(result);
}

function delayOptionsOf({
  id,
  idPrefix,
  unique,
  queue,
  priority,
  header,
  when,
  preempt,
  ...times
}: Options): DelayOptions {
  const headers = headersOf(header);
  const { in: delay, at, expiresIn, timeout, totalTimeout } = times;
  return {
    ...(id !== undefined && { id }),
    ...(idPrefix !== undefined && { idPrefix }),
    ...(unique !== undefined && { unique }),
    ...(queue !== undefined && { queue }),
    ...(priority !== undefined && { priority: wholeNumber("--priority", priority) }),
    ...(headers !== undefined && { headers }),
    ...(when !== undefined && { when }),
    ...(preempt !== undefined && { preempt }),
    ...(delay !== undefined && { in: durationArgument(delay) }),
    ...(at !== undefined && { at }),
    ...(expiresIn !== undefined && { expiresIn: durationArgument(expiresIn) }),
    ...(timeout !== undefined && { timeout: durationArgument(timeout) }),
    ...(totalTimeout !== undefined && { totalTimeout: durationArgument(totalTimeout) }),
  };
}

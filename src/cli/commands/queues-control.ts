import type { Command } from "commander";
import { InvalidOptionsError } from "../../base/errors.ts";
import type { PauseOptions, QueueChange } from "../../broker/queues.ts";
import { requireQueue } from "../../task/names.ts";
import { durationArgument } from "../arguments.ts";
import { type Cli, type GlobalOptions, withApp } from "../cli.ts";

interface PauseArguments extends GlobalOptions, PauseOptions {}

interface DrainArguments extends PauseArguments {
  readonly timeout?: string;
}

interface PurgeArguments extends GlobalOptions {
  readonly confirm?: string;
  readonly includeScheduled?: boolean;
}

const DRAIN_EXAMPLES = `
When the time is over first, or the command is interrupted, the queue stays paused, too.

Example:
  $ etask queues drain mail --timeout 5m
`;

const PURGE_EXAMPLES = `
Removes every task that waits in the queue, for good; what runs is left alone.

Example:
  $ etask queues purge mail --confirm mail
`;

/** Adds `etask queues pause`, `resume`, `drain` and `purge`. */
export function addQueuesControl(queues: Command, cli: Cli): void {
  queues
    .command("pause")
    .description("Stops the taking: what runs goes on, what waits is kept.")
    .argument("<queue>", "the queue's name")
    .option("--reason <text>", "why, for those who look at it")
    .option("--by <text>", "who does it")
    .addHelpText("after", "\nExample:\n  $ etask queues pause mail --reason 'relay is down'\n")
    .action((queue: string, _options, command: Command) =>
      pause(cli, queue, command.optsWithGlobals<PauseArguments>()),
    );
  queues
    .command("resume")
    .description("Lets workers take from a paused queue again.")
    .argument("<queue>", "the queue's name")
    .addHelpText("after", "\nExample:\n  $ etask queues resume mail\n")
    .action((queue: string, _options, command: Command) =>
      resume(cli, queue, command.optsWithGlobals<GlobalOptions>()),
    );
  queues
    .command("drain")
    .description("Pauses a queue and waits until nothing of it runs; it stays paused.")
    .argument("<queue>", "the queue's name")
    .option("--reason <text>", "why, for those who look at it")
    .option("--by <text>", "who does it")
    .option("--timeout <duration>", "how long to wait, as in 5m (default: no limit)")
    .addHelpText("after", DRAIN_EXAMPLES)
    .action((queue: string, _options, command: Command) =>
      drain(cli, queue, command.optsWithGlobals<DrainArguments>()),
    );
  queues
    .command("purge")
    .description("Removes what waits in a queue.")
    .argument("<queue>", "the queue's name")
    .option("--confirm <queue>", "the queue's name once more; required")
    .option("--include-scheduled", "also what waits for a time")
    .addHelpText("after", PURGE_EXAMPLES)
    .action((queue: string, _options, command: Command) =>
      purge(cli, queue, command.optsWithGlobals<PurgeArguments>()),
    );
}

/** Says what a change came to. */
export function sayChange({ output }: Cli, change: QueueChange, what: string): void {
  if (output.json) output.record(change);
  else if (change.changed)
    output.line(`${change.queue} ${what} from revision ${change.revision} on`);
  else output.line(`${change.queue} ${what} already, nothing was changed`);
}

async function pause(cli: Cli, queue: string, options: PauseArguments): Promise<void> {
  const change = await withApp(cli, options, (app) => app.queues.pause(queue, saidIn(options)));
  sayChange(cli, change, "is paused");
}

async function resume(cli: Cli, queue: string, options: GlobalOptions): Promise<void> {
  const change = await withApp(cli, options, (app) => app.queues.resume(queue));
  sayChange(cli, change, "is open");
}

async function drain(cli: Cli, queue: string, options: DrainArguments): Promise<void> {
  const { timeout } = options;
  const change = await withApp(cli, options, (app) =>
    app.queues.drain(queue, {
      ...saidIn(options),
      ...(timeout !== undefined && { timeout: durationArgument(timeout) }),
    }),
  );
  if (cli.output.json) cli.output.record(change);
  else cli.output.line(`${queue} is paused, and nothing of it runs`);
}

async function purge(cli: Cli, queue: string, options: PurgeArguments): Promise<void> {
  const { confirm, includeScheduled = false } = options;
  requireQueue(queue);
  if (confirm === undefined) {
    throw new InvalidOptionsError(
      `This removes what waits in ${queue}, for good. If that is meant, add --confirm ${queue}.`,
    );
  }
  const removed = await withApp(cli, options, (app) =>
    app.queues.purge(queue, { confirm, includeScheduled }),
  );
  if (cli.output.json) cli.output.record({ queue, removed });
  else cli.output.line(`${removed} tasks removed from ${queue}`);
}

function saidIn({ reason, by }: PauseOptions): PauseOptions {
  return { ...(reason !== undefined && { reason }), ...(by !== undefined && { by }) };
}

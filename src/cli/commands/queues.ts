import type { Command } from "commander";
import { type Cli, type GlobalOptions, withApp } from "../cli.ts";
import { ageText } from "../output.ts";
import { runningText } from "./workers.ts";

const EXAMPLES = `
Example:
  $ etask queues list
`;

/** Adds `etask queues` with its subcommand. */
export function addQueues(program: Command, cli: Cli): void {
  program
    .command("queues")
    .summary("list queues")
    .description("Shows what waits.")
    .addHelpText("after", EXAMPLES)
    .command("list")
    .description("Lists queues that have waiting or running tasks or a live worker.")
    .addHelpText("after", EXAMPLES)
    .action((_options, command: Command) => list(cli, command.optsWithGlobals<GlobalOptions>()));
}

async function list(cli: Cli, options: GlobalOptions): Promise<void> {
  const { output } = cli;
  const queues = await withApp(cli, options, (app) => app.broker.queues());
  if (output.json) {
    for (const queue of queues) output.record(queue);
    return;
  }
  if (queues.length === 0) {
    output.note("No queues: nothing waits, nothing runs, no worker is there.");
    return;
  }
  const now = cli.clock.now();
  const rows = queues.map((view) => [
    view.queue,
    String(view.waiting),
    view.oldestAt === undefined ? "-" : ageText(now - view.oldestAt.getTime()),
    runningText(view),
    String(view.workers),
  ]);
  output.table(["QUEUE", "WAITING", "OLDEST", "RUNNING", "WORKERS"], rows);
}

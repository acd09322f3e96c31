import type { Command } from "commander";
import type { QueueView } from "../../broker/queue-view.ts";
import { type Cli, type GlobalOptions, withApp } from "../cli.ts";
import { ageText, printable } from "../output.ts";
import { addQueuesControl } from "./queues-control.ts";
import { addQueuesSet } from "./queues-set.ts";
import { runningText } from "./workers.ts";

const EXAMPLES = `
Examples:
  $ etask queues list
  $ etask queues pause mail --reason 'relay is down'
`;

/** Adds `etask queues` with its subcommands. */
export function addQueues(program: Command, cli: Cli): void {
  const queues = program
    .command("queues")
    .summary("list, pause, drain, purge and configure queues")
    .description("Shows what waits, and controls what is taken.")
    .addHelpText("after", EXAMPLES);
  queues
    .command("list")
    .description("Lists queues that have waiting or running tasks, a live worker or settings.")
    .addHelpText("after", "\nExample:\n  $ etask queues list\n")
    .action((_options, command: Command) => list(cli, command.optsWithGlobals<GlobalOptions>()));
  queues
    .command("get")
    .description("Shows one queue with its settings.")
    .argument("<queue>", "the queue's name")
    .addHelpText("after", "\nExample:\n  $ etask queues get mail\n")
    .action((queue: string, _options, command: Command) =>
      get(cli, queue, command.optsWithGlobals<GlobalOptions>()),
    );
  addQueuesControl(queues, cli);
  addQueuesSet(queues, cli);
}

async function list(cli: Cli, options: GlobalOptions): Promise<void> {
  const { output } = cli;
  const queues = await withApp(cli, options, (app) => app.queues.list());
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
    waitingText(view),
    oldestText(view, now),
    runningText(view),
    String(view.workers),
    view.paused ? "paused" : "open",
  ]);
  output.table(["QUEUE", "WAITING", "OLDEST", "RUNNING", "WORKERS", "TAKING"], rows);
}

async function get(cli: Cli, queue: string, options: GlobalOptions): Promise<void> {
  const view = await withApp(cli, options, (app) => app.queues.get(queue));
  if (cli.output.json) cli.output.record(view);
  else for (const [name, text] of linesOf(view, cli.clock.now())) say(cli, name, text);
}

function say({ output }: Cli, name: string, text: string): void {
  output.line(`${name.padEnd(13)}${printable(text)}`);
}

function linesOf(view: QueueView, now: number): [string, string][] {
  const { paused, settings } = view;
  return [
    ["queue", view.queue],
    ["waiting", waitingText(view)],
    ["oldest", oldestText(view, now)],
    ["running", runningText(view)],
    ["workers", String(view.workers)],
    ["taking", paused ? pausedText(paused) : "open"],
    ...Object.entries(settings).map(([name, value]): [string, string] => [
      name,
      typeof value === "object" ? JSON.stringify(value) : String(value),
    ]),
  ];
}

function pausedText({ at, by, reason }: NonNullable<QueueView["paused"]>): string {
  const whom = by === undefined ? "" : ` by ${by}`;
  return `paused since ${at.toISOString()}${whom}${reason === undefined ? "" : `: ${reason}`}`;
}

function waitingText({ waiting, waitingIdle }: QueueView): string {
  return waitingIdle === 0 ? String(waiting) : `${waiting} (${waitingIdle} idle)`;
}

function oldestText({ oldestAt }: QueueView, now: number): string {
  return oldestAt === undefined ? "-" : ageText(now - oldestAt.getTime());
}

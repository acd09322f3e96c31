import type { Command } from "commander";
import type { WorkerView } from "../../broker/worker-view.ts";
import { type Cli, type GlobalOptions, withApp } from "../cli.ts";
import { ageText } from "../output.ts";

const EXAMPLES = `
Example:
  $ etask workers list
`;

/** Adds `etask workers` with its subcommand. */
export function addWorkers(program: Command, cli: Cli): void {
  program
    .command("workers")
    .summary("list live workers")
    .description("Shows who works.")
    .addHelpText("after", EXAMPLES)
    .command("list")
    .description("Lists live workers in the order in which they registered.")
    .addHelpText("after", EXAMPLES)
    .action((_options, command: Command) => list(cli, command.optsWithGlobals<GlobalOptions>()));
}

async function list(cli: Cli, options: GlobalOptions): Promise<void> {
  const { output } = cli;
  const workers = await withApp(cli, options, (app) => app.broker.workers());
  if (output.json) {
    for (const worker of workers) output.record(worker);
    return;
  }
  if (workers.length === 0) {
    output.note("No live workers.");
    return;
  }
  const now = cli.clock.now();
  const rows = workers.map((worker) => [
    worker.id,
    worker.host,
    String(worker.pid),
    worker.queues.join(",") || "-",
    worker.kinds.join(",") || "-",
    concurrencyText(worker),
    runningText(worker),
    ageText(now - worker.startedAt.getTime()),
    roomText(worker),
  ]);
  const titles = ["ID", "HOST", "PID", "QUEUES", "KINDS", "CONCURRENCY", "RUNNING", "SINCE"];
  output.table([...titles, "IDLE WORK"], rows);
}

function concurrencyText({ concurrency, scale }: WorkerView): string {
  return scale ? `${concurrency} (${scale.min}..${scale.max})` : String(concurrency);
}

/** Whether a worker takes idle tasks, and what its host was like when that changed last. */
function roomText({ room, concurrency, scale }: WorkerView): string {
  if (!room) return "-";
  if (!room.idle) return `no: ${room.why.join("; ")}`;
  const only = concurrency === 1 && !scale ? ", with preempt only" : "";
  const [cpu, memory] = [room.cpu, room.memoryFree].map((share) => Math.round(share * 100));
  const late = room.eventLoopDelayMs;
  return `yes${only}: CPU ${cpu} % used, memory ${memory} % free, event loop ${late} ms late`;
}

/** The count, or with a `+` what it is at least. */
export function runningText(view: { running: number; runningExact: boolean }): string {
  return `${view.running}${view.runningExact ? "" : "+"}`;
}

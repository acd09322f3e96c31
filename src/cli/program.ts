import { Command } from "commander";
import { VERSION } from "../base/version.ts";
import type { Cli } from "./cli.ts";
import { addAgents } from "./commands/agents.ts";
import { addBeat } from "./commands/beat.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addEnqueue } from "./commands/enqueue.ts";
import { addQueues } from "./commands/queues.ts";
import { addSchedules } from "./commands/schedules.ts";
import { addTasks } from "./commands/tasks.ts";
import { addWorker } from "./commands/worker.ts";
import { addWorkers } from "./commands/workers.ts";
import { reportFailure } from "./failure.ts";

const EXAMPLES = `
Durations are milliseconds or text such as 250ms, 30s, 5m, 2h.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the store cannot be used.

Examples:
  $ etask worker --app tasks.ts
  $ etask enqueue disk.format --input '{"device":"/dev/sdb"}' --wait
  $ etask tasks list --state failed --store etcd://127.0.0.1:2379/shop
`;

/** Runs the command that the arguments name; resolves to the exit code, and never rejects. */
export async function runCli(args: readonly string[], cli: Cli): Promise<number> {
  // An argument that cannot be read must be complained of in JSON, too.
  if (args.includes("--json")) cli.output.useJson();
  try {
    await createProgram(cli).parseAsync(args, { from: "user" });
    return cli.exitCode;
  } catch (error) {
    return Math.max(cli.exitCode, reportFailure(error, cli.output, cli.env));
  }
}

function createProgram(cli: Cli): Command {
  const program = new Command("etask")
    .description("A durable task queue on etcd, or on an embedded store without any server.")
    .version(VERSION, "--version", "show the version")
    .option(
      "--store <url>",
      "embedded:DIRECTORY or etcd://HOST:PORT/NAMESPACE " +
        "(default: ETASK_STORE, else embedded:./.etask)",
    )
    .option("--json", "say everything in JSON, one value a line")
    .helpOption("--help", "show this help")
    .helpCommand(false)
    .addHelpText("after", EXAMPLES)
    .configureHelp({ showGlobalOptions: true, helpWidth: 90 })
    .configureOutput({
      writeOut: (text) => cli.output.text(text),
      writeErr: (text) => cli.output.textAside(text),
      // An error is thrown, too, and then said in our own way.
      outputError: () => {},
    })
    .exitOverride();
  for (const add of [
    addWorker,
    addBeat,
    addEnqueue,
    addTasks,
    addSchedules,
    addWorkers,
    addAgents,
    addQueues,
    addDoctor,
  ]) {
    add(program, cli);
  }
  return program;
}

import type { Command } from "commander";
import type { AgentView, ListAgentsOptions } from "../../tasks/rpc/list-agents.ts";
import { type Cli, type GlobalOptions, withStore } from "../cli.ts";
import { ageText } from "../output.ts";

const EXAMPLES = `
Examples:
  $ etask agents list
  $ etask agents list --tls-ca ca.pem --tls-cert me.pem --tls-key me.key
`;

interface AgentsOptions extends GlobalOptions {
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

/** Adds `etask agents` with its subcommand. */
export function addAgents(program: Command, cli: Cli): void {
  program
    .command("agents")
    .summary("list live agents")
    .description("Shows who serves the methods that tasks call on nodes.")
    .addHelpText("after", EXAMPLES)
    .command("list")
    .description(
      "Lists live agents by name. Each is asked how many calls it runs; ? when it does not answer.",
    )
    .option("--tls-ca <file>", "the authorities that agents with TLS are trusted by")
    .option("--tls-cert <file>", "the certificate to show to agents that ask for one")
    .option("--tls-key <file>", "the key of that certificate")
    .addHelpText("after", EXAMPLES)
    .action((_options, command: Command) => list(cli, command.optsWithGlobals<AgentsOptions>()));
}

async function list(cli: Cli, options: AgentsOptions): Promise<void> {
  const { output } = cli;
  // Only this command needs gRPC when the store does not.
  const { listAgents } = await import("../../tasks/rpc/list-agents.ts");
  const agents = await withStore(cli, options, (store) => listAgents(store, tlsOf(options)));
  if (output.json) {
    for (const agent of agents) output.record({ ...agent, running: agent.running ?? null });
    return;
  }
  if (agents.length === 0) {
    output.note("No live agents.");
    return;
  }
  const now = cli.clock.now();
  const titles = ["NAME", "ADDRESS", "LABELS", "VERSION", "METHODS", "RUNNING", "SINCE", "STATE"];
  output.table(
    titles,
    agents.map((agent) => rowOf(agent, now)),
  );
}

function tlsOf({ tlsCa, tlsCert, tlsKey }: AgentsOptions): ListAgentsOptions {
  if ([tlsCa, tlsCert, tlsKey].every((file) => file === undefined)) return {};
  return {
    tls: {
      ...(tlsCa === undefined ? undefined : { ca: tlsCa }),
      ...(tlsCert === undefined ? undefined : { cert: tlsCert }),
      ...(tlsKey === undefined ? undefined : { key: tlsKey }),
    },
  };
}

function rowOf(agent: AgentView, now: number): readonly string[] {
  const labels = Object.entries(agent.labels).map(([name, value]) => `${name}=${value}`);
  return [
    agent.name,
    agent.address,
    labels.join(",") || "-",
    agent.version,
    agent.methods.join(","),
    agent.running === undefined ? "?" : String(agent.running),
    ageText(now - agent.startedAt.getTime()),
    agent.leaving ? "leaving" : "open",
  ];
}

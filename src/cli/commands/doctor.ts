import type { Command } from "commander";
import { redactStoreUrl } from "../../store/store-url.ts";
import { type Cli, type GlobalOptions, storeUrlOf, withStore } from "../cli.ts";
import { examine } from "../doctor/examine.ts";
import { error, type Finding } from "../doctor/finding.ts";
import { EXIT, messageOf, remedyOf } from "../failure.ts";
import { type Colour, printable } from "../output.ts";

const EXAMPLES = `
Looks at the store, its servers, workers, queues and records, and says what to do. The
exit code is 1 when something needs somebody to act, 3 when the store cannot be used.

Examples:
  $ etask doctor
  $ etask doctor --store etcd://10.0.0.1:2379/shop --json
`;

const COLOURS: Readonly<Record<Finding["level"], Colour>> = {
  ok: "good",
  warning: "warn",
  error: "bad",
};

/** Adds `etask doctor`. */
export function addDoctor(program: Command, cli: Cli): void {
  program
    .command("doctor")
    .summary("look for trouble")
    .description("Examines the store and what is in it.")
    .addHelpText("after", EXAMPLES)
    .action((_options, command: Command) => doctor(cli, command.optsWithGlobals<GlobalOptions>()));
}

async function doctor(cli: Cli, options: GlobalOptions): Promise<void> {
  const { output } = cli;
  const url = storeUrlOf(cli, options);
  if (!output.json) output.line(`store ${redactStoreUrl(url)}`);
  try {
    await withStore(cli, options, async (store) => {
      for await (const finding of examine(store, url, cli)) {
        say(cli, finding);
        if (finding.level === "error") cli.exitCode = EXIT.failed;
      }
    });
  } catch (thrown) {
    const remedy = remedyOf(thrown);
    if (remedy?.exit !== EXIT.away) throw thrown;
    say(cli, error("store", messageOf(thrown), remedy.hint));
    cli.exitCode = remedy.exit;
  }
}

function say({ output }: Cli, finding: Finding): void {
  if (output.json) {
    output.record(finding);
    return;
  }
  const { level, check, message, advice } = finding;
  const label = output.paint(COLOURS[level], level.padEnd(7));
  output.line(`${label}  ${check.padEnd(7)}  ${printable(message)}`);
  if (advice !== undefined) output.line(`${" ".repeat(18)}${output.paint("faint", advice)}`);
}

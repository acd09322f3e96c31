/**
 * `npm run demo [-- --store URL] [--keep]`: a control plane for a small fleet, end to end.
 *
 * This process builds the fleet in a fresh folder, plays its machines, starts two workers and a
 * producer, and shows what the store says is going on. Half-way it kills one worker with SIGKILL.
 * At the end it compares what was recorded, and the fleet's files, with the plan.
 *
 * Exit codes: 0 all as planned, 1 not so, 2 wrong arguments, 3 the store cannot be used, 128 and
 * the signal's number when it was interrupted. No child outlives it.
 */
import { channel } from "node:diagnostics_channel";
import { mkdtemp, rm } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type App, createApp, type Events, isEtaskError } from "etask";
import { DemoError } from "./demo-error.ts";
import { FleetRun } from "./fleet-run.ts";
import type { Note } from "./fleet-state.ts";
import { Screen } from "./screen.ts";
import { noteLines } from "./view.ts";

const USAGE = `Usage: npm run demo [-- [--store URL] [--keep]]

  --store URL  where the tasks are: embedded:DIRECTORY, etcd://HOST:PORT or etcds://HOST:PORT.
               Default: an embedded store in a fresh folder.
  --keep       leaves the folder and the tasks where they are, to look at.`;
const TIMEOUT_MS = 180_000;

function readArguments(): { readonly store: string | undefined; readonly keep: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        store: { type: "string" },
        keep: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) throw new DemoError(0, USAGE);
    if (values.store === "memory:") {
      throw new DemoError(2, "memory: is within one process; the demo has four.");
    }
    return { store: values.store, keep: values.keep };
  } catch (error) {
    if (error instanceof DemoError) throw error;
    throw new DemoError(2, `${(error as Error).message}\n\n${USAGE}`);
  }
}

async function openApp(store: string, screen: Screen): Promise<App> {
  const hazards: Events["etask:store:hazard"][] = [];
  channel("etask:store:hazard").subscribe((event) => {
    hazards.push(event as Events["etask:store:hazard"]);
  });
  try {
    const app = await createApp({ store });
    const [first] = hazards;
    if (first) {
      const known = `etcd ${first.version} has ${hazards.length} known hazards`;
      const note: Note = { kind: "warning", text: `${known}; etask doctor lists them` };
      for (const line of noteLines(0, note, screen.look)) screen.log(line);
    }
    return app;
  } catch (error) {
    if (!isEtaskError(error)) throw error;
    const wrongUrl = error.code === "STORE_URL" || error.code === "INVALID_OPTIONS";
    throw new DemoError(wrongUrl ? 2 : 3, `The store cannot be used: ${error.message}`);
  }
}

/** Aborts at a signal, or when the demo takes too long. A second signal ends everything at once. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      const exitCode = 128 + constants.signals[signal];
      if (controller.signal.aborted) process.exit(exitCode);
      controller.abort(new DemoError(exitCode, `Interrupted by ${signal}.`));
    });
  }
  const over = () =>
    controller.abort(new DemoError(1, `The demo was not done after ${TIMEOUT_MS / 1_000} s.`));
  setTimeout(over, TIMEOUT_MS).unref();
  return controller.signal;
}

async function main(): Promise<void> {
  const { store, keep } = readArguments();
  const interrupted = interruption();
  const directory = await mkdtemp(join(tmpdir(), "etask-demo-"));
  const screen = new Screen(process.stdout, process.env);
  try {
    const url = store ?? `embedded:${join(directory, "store")}`;
    await using app = await openApp(url, screen);
    await using run = new FleetRun({ app, url, directory, screen, keep });
    const findings = await run.run(interrupted);
    if (findings.length > 0) throw new DemoError(1, `Not as planned:\n  ${findings.join("\n  ")}`);
  } finally {
    screen.close();
    if (!keep) await rm(directory, { recursive: true, force: true });
  }
}

try {
  await main();
} catch (error) {
  if (error instanceof DemoError) {
    (error.exitCode === 0 ? console.log : console.error)(error.message);
    process.exitCode = error.exitCode;
  } else {
    console.error(error);
    process.exitCode = 1;
  }
}

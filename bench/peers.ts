/**
 * `npm run bench -- peers [--quick] [--only A,B] [--scenarios X,Y] [--rounds N] [--docs]`: etask
 * side by side with what could be used instead, and with the stores below it with no queue around
 * them.
 *
 * Everything that is needed is started here, on the loopback address, on free ports, in temporary
 * directories, and removed at the end; Node's packages are installed into bench/peers/packages at
 * the first time. Prints a table, writes it to bench/results/ with all figures as JSON and a chart;
 * `--docs` puts table and chart into docs/ as well. docs/performance.md says what is measured.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Refusal, ROOT, say } from "../scripts/setup.mjs";
import type { Contender } from "./peers/contender.ts";
import { CONTENDERS } from "./peers/contenders.ts";
import type { Outcome } from "./peers/figures.ts";
import { describeMachine } from "./peers/machine.ts";
import { ensurePeers } from "./peers/packages/import-peer.ts";
import { drawChart } from "./peers/report/chart.ts";
import { insertReport, type Report, writeReport } from "./peers/report/markdown.ts";
import { runRounds } from "./peers/rounds.ts";
import { SCENARIOS } from "./peers/scenarios.ts";
import { clearPostgres } from "./peers/servers/postgres.ts";
import { FULL, QUICK, QUICK_SCENARIOS } from "./peers/sizes.ts";

const ROUNDS_MAX = 100;
const RESULTS = "bench/results";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    scenarios: { type: "string" },
    rounds: { type: "string" },
    docs: { type: "boolean", default: false },
  },
});

try {
  await main();
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const contenders = chosen("only", values.only, CONTENDERS);
  const usual = values.quick ? QUICK_SCENARIOS.join() : undefined;
  const scenarios = chosen("scenarios", values.scenarios ?? usual, SCENARIOS);
  const preset = values.quick ? QUICK : FULL;
  const sizes = { ...preset, rounds: roundsOf(values.rounds, preset.rounds) };
  const ended = new AbortController();
  // The second time, Node's own way: at once.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => ended.abort());
  await ensurePeers();
  const startedAt = new Date();
  const machine = await describeMachine();
  const versions = await versionsOf(contenders);
  const plan = { contenders, scenarios, sizes, signal: ended.signal, say };
  let outcomes: readonly Outcome[];
  try {
    outcomes = await runRounds(plan);
  } finally {
    await clearPostgres();
  }
  const minutes = (Date.now() - startedAt.getTime()) / 60_000;
  const report: Report = {
    at: startedAt.toISOString(),
    minutes,
    quick: values.quick,
    whole: !ended.signal.aborted,
    machine,
    versions,
    sizes,
    contenders: contenders.map(({ name, title, configuration }) => ({
      name,
      title,
      configuration,
    })),
    scenarios: scenarios.map(({ name, about, variants }) => ({
      name,
      about,
      variants: variants(sizes).map(({ key, title }) => ({ key, title })),
    })),
    outcomes,
  };
  await publish(report);
  if (outcomes.some(({ absent }) => absent?.kind === "failed")) process.exitCode = 1;
}

async function publish(report: Report): Promise<void> {
  const text = writeReport(report);
  const chart = drawChart(report);
  await mkdir(join(ROOT, RESULTS), { recursive: true });
  const path = `${RESULTS}/${report.at.slice(0, 16).replace(":", "-")}`;
  await writeFile(join(ROOT, `${path}.json`), `${JSON.stringify(report, undefined, 2)}\n`);
  await writeFile(join(ROOT, `${path}.md`), text);
  await writeFile(join(ROOT, `${path}.svg`), chart);
  if (values.docs) {
    const page = join(ROOT, "docs/performance.md");
    await writeFile(page, insertReport(await readFile(page, "utf8"), text));
    await writeFile(join(ROOT, "docs/performance.svg"), chart);
  }
  say(`\n${text}`);
  say(`Written to ${path}.json, .md and .svg, after ${report.minutes.toFixed(1)} minutes.`);
}

/** The members of `all` that a list of names asks for; all when there is no list. */
function chosen<Named extends { readonly name: string }>(
  option: string,
  names: string | undefined,
  all: readonly Named[],
): readonly Named[] {
  if (names === undefined) return all;
  const wanted = names.split(",").map((name) => name.trim());
  const unknown = wanted.filter((name) => !all.some((each) => each.name === name));
  if (unknown.length > 0) {
    const known = all.map(({ name }) => name).join(", ");
    throw new Refusal(`--${option} has ${unknown.join(", ")}; there are ${known}.`);
  }
  return all.filter(({ name }) => wanted.includes(name));
}

function roundsOf(text: string | undefined, usual: number): number {
  const rounds = text === undefined ? usual : Number(text);
  if (Number.isInteger(rounds) && rounds >= 1 && rounds <= ROUNDS_MAX) return rounds;
  throw new Refusal(`--rounds must be a number from 1 to ${ROUNDS_MAX}; got ${text}.`);
}

async function versionsOf(contenders: readonly Contender[]): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const contender of contenders) {
    if ((await contender.missing()) !== undefined) continue;
    for (const version of await contender.versions()) found.add(version);
  }
  return [...found];
}

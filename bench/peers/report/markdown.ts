import { BASELINES } from "../contenders.ts";
import {
  FIGURES,
  type FigureName,
  type Outcome,
  type Spread,
  spreadOf,
  timesBetter,
} from "../figures.ts";
import type { Machine } from "../machine.ts";
import type { Sizes } from "../sizes.ts";

/** All that is known of a run, as it is kept in bench/results. */
export interface Report {
  readonly at: string;
  readonly minutes: number;
  readonly quick: boolean;
  /** False when it was ended before its time. */
  readonly whole: boolean;
  readonly machine: Machine;
  readonly versions: readonly string[];
  readonly sizes: Sizes;
  readonly contenders: readonly {
    readonly name: string;
    readonly title: string;
    readonly configuration: string;
  }[];
  readonly scenarios: readonly {
    readonly name: string;
    readonly about: string;
    readonly variants: readonly { readonly key: string; readonly title: string }[];
  }[];
  readonly outcomes: readonly Outcome[];
}

const BEGIN = "<!-- bench: begin -->";
const END = "<!-- bench: end -->";

/** The figure by which contenders are compared: the first of these that a scenario has. */
const MAIN: readonly FigureName[] = ["startP50", "rate", "updates", "resultP50"];

/** The median of a figure of a contender in a variant, with its extremes. */
export function spreadIn(
  { outcomes }: Report,
  contender: string,
  scenario: string,
  figure: FigureName,
): Spread | undefined {
  const own = outcomes.filter((each) => each.contender === contender && each.scenario === scenario);
  return spreadOf(own.map(({ figures }) => figures?.[figure] ?? Number.NaN));
}

/** The results as Markdown. */
export function writeReport(report: Report): string {
  const { machine, versions, scenarios, contenders } = report;
  const kind = report.quick ? "quick run" : "full run";
  const ended = report.whole ? "" : ", ended before its time";
  const lines = [
    `Run of ${report.at.slice(0, 16).replace("T", " ")} UTC, ${kind}${ended}: ` +
      `${report.sizes.rounds} rounds, ${report.minutes.toFixed(1)} minutes.`,
    "",
    `Machine: ${machine.cores} cores of ${machine.cpu}, ${machine.memoryGib} GiB, Linux ` +
      `${machine.kernel}, Node ${machine.node}; 4 KiB written and synchronized in ` +
      `${machine.syncP50.toFixed(2)} ms (p50), ${machine.syncP99.toFixed(2)} ms (p99); load ` +
      `before the run ${machine.load}.`,
    "",
    `Versions: ${versions.join(", ")}.`,
    "",
    "Each cell is the median of the rounds, with minimum and maximum in parentheses where it is " +
      'what the table is about. "etcd ×" and "embedded ×" say how many times better etask on etcd ' +
      "(one member) and etask embedded (processes apart) are than the row.",
    "",
  ];
  for (const { about, variants } of scenarios) {
    for (const [index, { key, title }] of variants.entries()) {
      lines.push(`### ${title}`, "", ...(index === 0 ? [about, ""] : []));
      lines.push(...tableOf(report, key), "");
    }
  }
  lines.push("### Configurations", "");
  lines.push(...contenders.map(({ title, configuration }) => `- **${title}**: ${configuration}`));
  return `${lines.join("\n")}\n`;
}

/** Puts a report between the marks of a page. @throws Error when the page has none. */
export function insertReport(page: string, report: string): string {
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) {
    throw new Error(`The page has no ${BEGIN} … ${END}.`);
  }
  return `${before}${BEGIN}\n\n${report}\n${END}${after}`;
}

function tableOf(report: Report, key: string): readonly string[] {
  const names = (Object.keys(FIGURES) as FigureName[]).filter((name) =>
    report.outcomes.some((each) => each.scenario === key && each.figures?.[name] !== undefined),
  );
  const main = MAIN.find((name) => names.includes(name));
  if (main === undefined) return absences(report, key);
  const others = names.filter((name) => name !== main);
  const head = [
    ...["", FIGURES[main].title, "etcd ×", "embedded ×"],
    ...others.map((name) => FIGURES[name].title),
  ];
  const rows = report.contenders.flatMap(({ name, title }) => {
    // The raw limits have no start, only the time of one put.
    const own = [main, ...MAIN].find((figure) => spreadIn(report, name, key, figure));
    if (own === undefined) return [];
    const shownOthers = others.map((each) => shown(spreadIn(report, name, key, each)?.median));
    const cell = own === main ? withExtremes(spreadIn(report, name, key, main)) : "–";
    return [[title, cell, ...ratios(report, name, key, main, own), ...shownOthers]];
  });
  return [
    row(head),
    row(head.map((_, index) => (index === 0 ? "---" : "---:"))),
    ...rows.map(row),
    ...absences(report, key),
  ];
}

/** What is held against the baselines: of the raw limits, a put against a start. */
function ratios(
  report: Report,
  name: string,
  key: string,
  main: FigureName,
  own: FigureName,
): readonly string[] {
  const value = spreadIn(report, name, key, own)?.median;
  return BASELINES.map((baseline) => {
    const base = spreadIn(report, baseline, key, main)?.median;
    if (base === undefined || value === undefined) return "–";
    if (baseline === name) return "1";
    return timesBetter(main, base, value).toFixed(2);
  });
}

/** Who is not in the table, and why. */
function absences(report: Report, key: string): readonly string[] {
  const reasons = new Map<string, string[]>();
  for (const { name, title } of report.contenders) {
    const own = report.outcomes.filter(
      (each) => each.contender === name && each.scenario === key && each.absent,
    );
    const all = own.length === report.sizes.rounds;
    const first = own.find(({ absent }) => all || absent?.kind === "failed")?.absent;
    if (first === undefined) continue;
    const failed = `failed in ${own.length} of ${report.sizes.rounds} rounds: `;
    const reason = first.why.split("\n")[0]?.replace(/\.$/, "") ?? "";
    const why = first.kind === "failed" ? `${failed}${reason}` : reason;
    reasons.set(why, [...(reasons.get(why) ?? []), title]);
  }
  if (reasons.size === 0) return [];
  return ["", ...[...reasons].map(([why, titles]) => `- Not here: ${titles.join("; ")}: ${why}.`)];
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function withExtremes(spread: Spread | undefined): string {
  if (spread === undefined) return "–";
  return `**${shown(spread.median)}** (${shown(spread.min)} – ${shown(spread.max)})`;
}

/** A number with as many digits as mean something. */
export function shown(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return "–";
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en-US");
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

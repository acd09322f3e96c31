/** What the demo shows, as lines of text: pure functions of what is known. */
import type { TaskState } from "etask";
import { BULK_KIND, type FleetState, type Job, type Note, seconds } from "./fleet-state.ts";

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

/** A piece of a line in one style. All characters are one column wide. */
export interface Span {
  readonly text: string;
  readonly style?: Style;
}

export type Line = readonly Span[];

/** What a terminal can show. */
export interface Look {
  readonly columns: number;
  readonly colours: boolean;
  /** Whether blocks and dots beyond ASCII can be shown. */
  readonly unicode: boolean;
}

const CODES: Readonly<Record<Style, number>> = {
  bold: 1,
  dim: 2,
  red: 31,
  green: 32,
  yellow: 33,
  cyan: 36,
};
const STATES: readonly TaskState[] = [
  "scheduled",
  "pending",
  "running",
  "succeeded",
  "failed",
  "cancelled",
];
const STATE_STYLES: Readonly<Partial<Record<TaskState, Style>>> = {
  running: "cyan",
  succeeded: "green",
  failed: "red",
};
const NOTE_STYLES: Readonly<Record<Note["kind"], Style | undefined>> = {
  plain: undefined,
  good: "green",
  bad: "red",
  warning: "yellow",
  rescue: "cyan",
};
const BAR_MIN = 10;
const BAR_MAX = 40;
/** Columns of a row beside its bar: worker, kind, name, percentage, step, and the gaps. */
const ROW_COLUMNS = 57;

/** A line cut to the width and coloured. */
export function textOf(line: Line, { columns, colours }: Look): string {
  let left = columns;
  return line
    .map(({ text, style }) => {
      const shown = [...text].slice(0, left).join("");
      left -= [...shown].length;
      return style && colours && shown !== "" ? `\x1b[${CODES[style]}m${shown}\x1b[0m` : shown;
    })
    .join("")
    .trimEnd();
}

/** A note for the log: when, and what, wrapped between words to the width. */
export function noteLines(ms: number, { kind, text }: Note, { columns }: Look): readonly Line[] {
  const style = NOTE_STYLES[kind];
  const when = `${seconds(ms).padStart(7)}  `;
  return wrapped(text, Math.max(20, columns - when.length)).map((piece, index) => [
    { text: index === 0 ? when : " ".repeat(when.length), style: "dim" },
    style ? { text: piece, style } : { text: piece },
  ]);
}

function wrapped(text: string, columns: number): readonly string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    const longer = line ? `${line} ${word}` : word;
    if (line && longer.length > columns) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}

/** Counts in one line, for where no panel can be drawn. */
export function statusNote(fleet: FleetState): Note {
  const counts = STATES.map((state) => ({ state, count: fleet.count(state) }));
  const some = counts.filter(({ count }) => count > 0);
  const text = some.map(({ state, count }) => `${count} ${state}`).join(", ");
  return { kind: "plain", text: `${fleet.ended} of ${fleet.total} done: ${text}` };
}

/** The live panel. Its height stays the same, whatever happens. */
export function panelLines(fleet: FleetState, ms: number, look: Look): readonly Line[] {
  const width = Math.min(look.columns, ROW_COLUMNS + BAR_MAX);
  const share = fleet.ended / fleet.total;
  const rows = [...fleet.rows].flatMap(([worker, jobs]) => [
    [],
    ...slotRows(worker, jobs, fleet, look),
  ]);
  return [
    [{ text: (look.unicode ? "─" : "-").repeat(width), style: "dim" }],
    [...STATES.flatMap((state) => countSpans(state, fleet.count(state))), ...clock(ms)],
    [
      { text: " " },
      ...barSpans(share, Math.max(BAR_MIN, width - 23), look, "green"),
      { text: `${`${fleet.ended} of ${fleet.total}`.padStart(12)} done`, style: "bold" },
    ],
    ...rows,
    [],
    bulkRow(fleet, look),
  ];
}

function countSpans(state: TaskState, count: number): readonly Span[] {
  const style = count > 0 ? STATE_STYLES[state] : "dim";
  const text = ` ${state} ${String(count).padEnd(4)}`;
  return [style ? { text, style } : { text }];
}

function clock(ms: number): readonly Span[] {
  return [{ text: seconds(ms).padStart(8), style: "dim" }];
}

function jobRow(worker: string, job: Job, look: Look): Line {
  const dead = job.lost && job.rescue === "none";
  const again = job.attempt > 1 ? `#${job.attempt} ` : "";
  const step = dead ? "its worker was killed" : `${again}${job.step}`;
  return row(worker, job.kind, job.name, job.percent, step, look, dead ? "red" : "cyan");
}

/** A row for each slot; what is sent in bulk passes too quickly for a row with a bar. */
function slotRows(
  worker: string,
  jobs: readonly (Job | undefined)[],
  fleet: FleetState,
  look: Look,
): readonly Line[] {
  let bulk = fleet.bulkRunning(worker);
  return jobs.map((job) => {
    if (job) return jobRow(worker, job, look);
    bulk -= 1;
    return bulk >= 0 ? idleRow(worker, BULK_KIND, "dim") : restRow(worker, fleet, look);
  });
}

function restRow(worker: string, fleet: FleetState, { unicode }: Look): Line {
  if (fleet.killed === worker) return idleRow(worker, "killed", "red");
  if (!fleet.isStarted(worker)) return idleRow(worker, "starting", "dim");
  return idleRow(worker, unicode ? "·" : ".", "dim");
}

function idleRow(worker: string, text: string, style: Style): Line {
  return [{ text: ` ${worker}  ` }, { text, style }];
}

function bulkRow(fleet: FleetState, look: Look): Line {
  const bulk = [...fleet.jobs.values()].filter(({ kind }) => kind === BULK_KIND);
  const done = bulk.filter(({ ends }) => ends > 0).length;
  const percent = bulk.length === 0 ? 0 : (100 * done) / bulk.length;
  const step = bulk.length === 0 ? "" : `${done} of ${bulk.length}`;
  return row(" ", BULK_KIND, "bulk", percent, step, look, "green");
}

function row(
  worker: string,
  kind: string,
  name: string,
  percent: number,
  step: string,
  look: Look,
  style: Style,
): Line {
  const columns = Math.max(BAR_MIN, Math.min(BAR_MAX, look.columns - ROW_COLUMNS));
  return [
    { text: ` ${worker}  ${kind.padEnd(13)}${name.padEnd(7)}` },
    ...barSpans(percent / 100, columns, look, style),
    { text: `${percent.toFixed(0).padStart(4)}%  ` },
    { text: step, style: style === "red" ? "red" : "dim" },
  ];
}

function barSpans(share: number, columns: number, { unicode }: Look, style: Style): Span[] {
  const full = Math.round(Math.min(1, Math.max(0, share)) * columns);
  return [
    { text: (unicode ? "█" : "#").repeat(full), style },
    { text: (unicode ? "░" : "-").repeat(columns - full), style: "dim" },
  ];
}

/** The table at the end: a line for each kind and a sum. */
export function summaryLines(fleet: FleetState): readonly Line[] {
  const jobs = [...fleet.jobs.values()];
  const kinds = [...new Set(jobs.map(({ kind }) => kind))].sort();
  const heads = ["", "tasks", "succeeded", "failed", "attempts", "rescued", "mean time"];
  const body = kinds.map((kind) =>
    cells(
      kind,
      jobs.filter((job) => job.kind === kind),
    ),
  );
  const sum = cells("all", jobs);
  return [
    [{ text: tableRow(heads), style: "bold" }],
    ...body.map((each) => [{ text: tableRow(each) }]),
    [{ text: tableRow(sum), style: "bold" }],
  ];
}

function cells(name: string, jobs: readonly Job[]): readonly string[] {
  const count = (test: (job: Job) => boolean) => String(jobs.filter(test).length);
  const sum = (value: (job: Job) => number) => jobs.reduce((total, job) => total + value(job), 0);
  const mean = sum(({ tookMs }) => tookMs) / Math.max(1, jobs.length);
  return [
    name,
    String(jobs.length),
    count(({ state }) => state === "succeeded"),
    count(({ state }) => state === "failed"),
    String(sum(({ attempt }) => attempt)),
    count(({ rescue }) => rescue === "running"),
    `${(mean / 1_000).toFixed(2)} s`,
  ];
}

function tableRow([name = "", ...rest]: readonly string[]): string {
  return `${name.padEnd(14)}${rest.map((cell) => cell.padStart(11)).join("")}`;
}

import type { Latency } from "./protocol.ts";

/** Everything that is measured, with how it is shown and which direction is better. */
export const FIGURES = {
  rate: { title: "tasks/s", better: "more" },
  startP50: { title: "start p50 [ms]", better: "less" },
  startP99: { title: "start p99 [ms]", better: "less" },
  resultP50: { title: "result p50 [ms]", better: "less" },
  resultP99: { title: "result p99 [ms]", better: "less" },
  load: { title: "load [1/s]", better: "more" },
  kept: { title: "of it kept up with", better: "more" },
  updates: { title: "updates/s", better: "more" },
  fill: { title: "filling [1/s]", better: "more" },
  clientCpu: { title: "client CPU [s/1000]", better: "less" },
  serverCpu: { title: "server CPU [s/1000]", better: "less" },
  written: { title: "written [B/task]", better: "less" },
  clientPeak: { title: "client RSS [MiB]", better: "less" },
  serverPeak: { title: "server RSS [MiB]", better: "less" },
} as const satisfies Readonly<Record<string, FigureKind>>;

interface FigureKind {
  readonly title: string;
  readonly better: "more" | "less";
}

export type FigureName = keyof typeof FIGURES;

/** What one run of a scenario measured; what does not apply is left out. */
export type Figures = Readonly<Partial<Record<FigureName, number>>>;

/** One scenario of one contender in one round. */
export interface Outcome {
  readonly round: number;
  readonly contender: string;
  /** The key of the scenario's variant. */
  readonly scenario: string;
  readonly figures?: Figures;
  /** Why there are no figures: it cannot do this, a program is missing, or it failed. */
  readonly absent?: { readonly kind: "cannot" | "missing" | "failed"; readonly why: string };
}

/** The figures of latencies, where there are some. */
export function latencyFigures(starts: Latency | undefined, results: Latency | undefined): Figures {
  return {
    ...(starts && { startP50: starts.p50, startP99: starts.p99 }),
    ...(results && { resultP50: results.p50, resultP99: results.p99 }),
  };
}

/** The median of a figure over the rounds, with its extremes. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** `undefined` when there is nothing to sum up. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  const [min, max] = [sorted[0], sorted.at(-1)];
  if (min === undefined || max === undefined) return undefined;
  const upper = sorted[Math.floor(sorted.length / 2)] ?? max;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? min;
  return { median: (lower + upper) / 2, min, max };
}

/** How many times better `own` is than `other`. */
export function timesBetter(name: FigureName, own: number, other: number): number {
  return FIGURES[name].better === "more" ? own / other : other / own;
}

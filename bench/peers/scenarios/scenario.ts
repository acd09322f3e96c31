import type { Figures } from "../figures.ts";
import type { Sizes } from "../sizes.ts";
import type { Stage } from "../stage.ts";

/** Something that is measured. One module each; `scenarios.ts` lists them. */
export interface Scenario {
  readonly name: string;
  /** What it measures and how, in a sentence for the results. */
  readonly about: string;
  variants(sizes: Sizes): readonly Variant[];
}

/** One way of measuring it; gives one table of the results. */
export interface Variant {
  /** The scenario's name, with what is varied: `drain-100`. */
  readonly key: string;
  readonly title: string;
  /** It is ended after so long. */
  readonly withinMs: number;
  run(stage: Stage): Promise<Figures>;
}

/** The size of the payload where a scenario is not about that. */
export const BYTES = 100;

/** What starting programs and stopping them may take beside what is measured. */
export const OVERHEAD_MS = 120_000;

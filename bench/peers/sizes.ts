/** How much is measured. Every scenario is bounded in count and in time, whoever is faster. */
export interface Sizes {
  readonly rounds: number;
  /** Nothing new is begun after so long. */
  readonly minutesMax: number;
  /** What the tasks of a scenario about enqueueing are limited to. */
  readonly enqueue: { readonly count: number; readonly forMs: number };
  readonly bulk: { readonly count: number; readonly forMs: number };
  /** The backlog of a drain, how long may be spent on making it, and on draining it. */
  readonly drain: { readonly count: number; readonly fillMs: number; readonly forMs: number };
  /** Beside the contender's own, which is 100 for most. */
  readonly concurrencies: readonly number[];
  readonly flow: { readonly forMs: number; readonly warmMs: number };
  readonly payloads: readonly { readonly kib: number; readonly count: number }[];
  readonly workers: readonly number[];
  readonly backlogs: readonly number[];
  readonly delayed: { readonly count: number; readonly fillMs: number };
  readonly progress: { readonly tasks: number; readonly forMs: number };
  readonly awaiting: { readonly callers: number; readonly forMs: number };
}

/** The full run. */
export const FULL: Sizes = {
  rounds: 5,
  minutesMax: 24 * 60,
  enqueue: { count: 100_000, forMs: 5_000 },
  bulk: { count: 200_000, forMs: 5_000 },
  drain: { count: 100_000, fillMs: 20_000, forMs: 8_000 },
  concurrencies: [1, 10, 1_000],
  flow: { forMs: 15_000, warmMs: 3_000 },
  payloads: [
    { kib: 10, count: 10_000 },
    { kib: 100, count: 2_000 },
  ],
  workers: [1, 2, 4, 8],
  backlogs: [10_000, 100_000, 1_000_000],
  delayed: { count: 1_000_000, fillMs: 180_000 },
  progress: { tasks: 1_000, forMs: 5_000 },
  awaiting: { callers: 500, forMs: 8_000 },
};

/** The same with small counts and short times. */
export const QUICK: Sizes = {
  rounds: 2,
  minutesMax: 9.5,
  enqueue: { count: 20_000, forMs: 1_000 },
  bulk: { count: 40_000, forMs: 1_000 },
  drain: { count: 40_000, fillMs: 1_200, forMs: 2_000 },
  concurrencies: [],
  flow: { forMs: 2_000, warmMs: 500 },
  payloads: [{ kib: 10, count: 1_000 }],
  workers: [1, 2],
  backlogs: [10_000],
  delayed: { count: 20_000, fillMs: 20_000 },
  progress: { tasks: 100, forMs: 2_000 },
  awaiting: { callers: 500, forMs: 2_000 },
};

/** The scenarios of a quick run that names none. */
export const QUICK_SCENARIOS: readonly string[] = ["singles", "bulk", "drain", "light", "steady"];

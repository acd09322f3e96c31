/** Runs some seeds in a process of their own, and answers what came of them. */
import { findingText } from "./oracle/finding.ts";
import { planOf } from "./world/plan.ts";
import { type Report, runPlan } from "./world/run.ts";

/** Which seeds to run: `count` of them, from `first` on, every `step`th. */
export interface SeedsTask {
  readonly first: number;
  readonly step: number;
  readonly count: number;
  /** Runs each twice, and compares what happened. */
  readonly twice?: boolean;
  readonly untilFailure?: boolean;
}

/** What came of them, in sums. */
export interface SeedsAnswer {
  runs: number;
  events: number;
  revisions: number;
  tasks: number;
  takes: number;
  ends: number;
  virtualMs: number;
  readonly faults: Record<string, number>;
  readonly failures: Failure[];
}

/** A seed that broke an invariant. */
export interface Failure {
  readonly seed: number;
  readonly invariant: string;
  readonly text: string;
}

/** Runs the seeds of a task. */
export async function runSeeds(task: SeedsTask): Promise<SeedsAnswer> {
  const answer = nothing();
  for (let index = 0; index < task.count; index += 1) {
    const seed = task.first + index * task.step;
    const report = await runPlan(planOf(seed));
    add(answer, report);
    const failure =
      failureOf(seed, report) ?? (task.twice ? await differs(seed, report) : undefined);
    if (failure) answer.failures.push(failure);
    if (failure && task.untilFailure) break;
  }
  return answer;
}

/** Sums of no runs. */
export function nothing(): SeedsAnswer {
  const sums = { runs: 0, events: 0, revisions: 0, tasks: 0, takes: 0, ends: 0, virtualMs: 0 };
  return { ...sums, faults: {}, failures: [] };
}

const SUMS = ["events", "revisions", "tasks", "takes", "ends", "virtualMs"] as const;

function add(answer: SeedsAnswer, report: Report): void {
  answer.runs += 1;
  for (const sum of SUMS) answer[sum] += report[sum];
  for (const [fault, count] of report.faults) {
    answer.faults[fault] = (answer.faults[fault] ?? 0) + count;
  }
}

function failureOf(seed: number, { findings }: Report): Failure | undefined {
  const [first] = findings;
  return first && { seed, invariant: first.invariant, text: findingText(first) };
}

/** The same seed must do the same, event by event. */
async function differs(seed: number, { digest }: Report): Promise<Failure | undefined> {
  const again = await runPlan(planOf(seed));
  if (again.digest === digest) return undefined;
  const text = "two runs of this seed did not do the same";
  return { seed, invariant: "determinism", text };
}

process.once("message", async (task: SeedsTask) => {
  process.send?.(await runSeeds(task));
  process.disconnect();
});

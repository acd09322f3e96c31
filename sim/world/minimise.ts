import type { FaultRates } from "../network/faults.ts";
import { FAULTS } from "../network/faults.ts";
import type { Plan } from "./plan.ts";
import { type Report, runPlan } from "./run.ts";

/** A smaller plan that breaks the same invariant, and what came of it. */
export interface Minimised {
  readonly report: Report;
  readonly runs: number;
}

/**
 * Takes out of a failing plan whatever it fails without: kinds of faults, incidents, processes and
 * steps, in ever smaller groups. Makes at most `runsMax` runs.
 */
export async function minimise(failed: Report, runsMax: number): Promise<Minimised> {
  const invariant = failed.findings[0]?.invariant;
  let best = failed;
  let runs = 0;
  const fails = async (plan: Plan) => {
    if (runs >= runsMax) return false;
    runs += 1;
    const report = await runPlan(plan);
    const same = report.findings[0]?.invariant === invariant;
    if (same) best = report;
    return same;
  };
  for (const fault of FAULTS) {
    const { plan } = best;
    if (plan.rates[fault] > 0) await fails({ ...plan, rates: without(plan.rates, fault) });
  }
  await shrink(
    () => best.plan.incidents,
    (incidents) => fails({ ...best.plan, incidents }),
  );
  await shrink(
    () => best.plan.cast,
    (cast) => fails({ ...best.plan, cast }),
  );
  await shrink(
    () => best.plan.steps,
    (steps) => fails({ ...best.plan, steps }),
  );
  return { report: best, runs };
}

function without(rates: FaultRates, fault: keyof FaultRates): FaultRates {
  return { ...rates, [fault]: 0 };
}

/** Leaves out groups of a list, from halves down to single ones, while it still fails. */
async function shrink<T>(
  list: () => readonly T[],
  fails: (rest: readonly T[]) => Promise<boolean>,
): Promise<void> {
  for (let size = Math.ceil(list().length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < list().length; ) {
      const rest = list().filter((_, index) => index < from || index >= from + size);
      if (!(await fails(rest))) from += size;
    }
  }
}

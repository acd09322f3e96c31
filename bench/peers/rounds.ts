import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Contender } from "./contender.ts";
import type { Figures, Outcome } from "./figures.ts";
import type { Scenario, Variant } from "./scenarios/scenario.ts";
import type { Sizes } from "./sizes.ts";
import { type Rates, Stage } from "./stage.ts";

/**
 * The rounds: A B C A B C …, each contender with all its scenarios, so that whatever changes on the
 * machine meanwhile falls on all of them. Servers and programs are new for each variant, so that
 * nobody carries what an earlier one has left.
 *
 * What fails is noted and does not end the run.
 */
export interface Plan {
  readonly contenders: readonly Contender[];
  readonly scenarios: readonly Scenario[];
  readonly sizes: Sizes;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
  /** Nothing new is begun after this. */
  readonly until: number;
}

const SYNC_MS_MAX = 60_000;

/** Runs everything; what was measured before an abort is returned. */
export async function runRounds(given: Omit<Plan, "until">): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  const startedAt = performance.now();
  const plan = { ...given, until: startedAt + given.sizes.minutesMax * 60_000 };
  for (let round = 1; round <= plan.sizes.rounds; round += 1) {
    for (const contender of plan.contenders) {
      if (plan.signal.aborted) return outcomes;
      const seconds = Math.round((performance.now() - startedAt) / 1_000);
      plan.say(`${seconds} s, round ${round} of ${plan.sizes.rounds}: ${contender.title}`);
      outcomes.push(...(await runContender(plan, contender, round)));
    }
  }
  return outcomes;
}

async function runContender(
  plan: Plan,
  contender: Contender,
  round: number,
): Promise<readonly Outcome[]> {
  const { scenarios, sizes, say } = plan;
  const outcomes: Outcome[] = [];
  const missing = await contender.missing();
  if (missing !== undefined) say(`  not measured: ${missing}`);
  const rates: Rates = {};
  for (const scenario of scenarios) {
    for (const variant of scenario.variants(sizes)) {
      const common = { round, contender: contender.name, scenario: variant.key };
      const cannot = contender.cannot[scenario.name] ?? contender.cannot[variant.key];
      const why = missing ?? cannot ?? endOf(plan);
      if (why !== undefined) {
        const kind = missing === undefined ? "cannot" : "missing";
        outcomes.push({ ...common, absent: { kind, why } });
        continue;
      }
      const outcome = await runVariant(plan, contender, variant, rates);
      const [failure] = outcome.absent?.why.split("\n") ?? [];
      say(`  ${variant.key.padEnd(22)} ${failure ?? brief(outcome.figures ?? {})}`);
      outcomes.push({ ...common, ...outcome });
    }
  }
  return outcomes;
}

/** Why nothing new is begun any more. */
function endOf({ signal, until, sizes }: Plan): string | undefined {
  if (signal.aborted) return "the run was ended";
  if (performance.now() < until) return undefined;
  return `the ${sizes.minutesMax} minutes of this kind of run were over`;
}

async function runVariant(
  { sizes, signal }: Plan,
  contender: Contender,
  variant: Variant,
  rates: Rates,
): Promise<Pick<Outcome, "figures" | "absent">> {
  try {
    await using servers = await contender.start();
    // What others have left to be written to the disk is not for this one to wait for.
    await promisify(execFile)("sync", { timeout: SYNC_MS_MAX });
    await using stage = new Stage(contender, servers, sizes, rates);
    return { figures: await within(variant.withinMs, signal, variant.run(stage)) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { absent: { kind: "failed", why } };
  }
}

/** @throws Error when it takes longer, or the run is ended. */
async function within<T>(ms: number, signal: AbortSignal, promise: Promise<T>): Promise<T> {
  let end: () => void = () => {};
  const ended = new Promise<never>((_, reject) => {
    const timer = setTimeout(() => reject(new Error(`Not done within ${ms} ms.`)), ms);
    const abort = () => reject(new Error("The run was ended."));
    signal.addEventListener("abort", abort, { once: true });
    end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    };
  });
  // Whoever loses the race may still reject.
  promise.catch(() => {});
  return Promise.race([promise, ended]).finally(() => end());
}

function brief({ rate, updates, startP50, startP99, resultP50, load }: Figures): string {
  const texts = [
    rate === undefined ? "" : `${Math.round(rate).toLocaleString("en-US")}/s`,
    updates === undefined ? "" : `${Math.round(updates).toLocaleString("en-US")} updates/s`,
    load === undefined ? "" : `at ${Math.round(load).toLocaleString("en-US")}/s`,
    startP50 === undefined ? "" : `start p50 ${startP50.toFixed(2)} ms`,
    startP99 === undefined ? "" : `p99 ${startP99.toFixed(2)} ms`,
    resultP50 === undefined ? "" : `result p50 ${resultP50.toFixed(2)} ms`,
  ];
  return texts.filter((text) => text !== "").join(", ");
}

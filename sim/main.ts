/**
 * `npm run sim [-- --runs N --seed S --jobs J --twice]`: runs N seeds from S on and says what
 * broke; with `--twice` also whether each does the same twice.
 *
 * `npm run sim -- --seed S`: one seed with everything that is needed to understand it: what broke,
 * the last events about it, and the smallest plan that still breaks it.
 *
 * `npm run sim -- --mutations [--runs N --only NAME]`: puts known bugs back, one at a time, and
 * runs at most N seeds to find each.
 */
import { execFileSync, fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { MUTATIONS } from "./mutations/mutations.ts";
import { type MutationResult, runMutation } from "./mutations/run-mutation.ts";
import { findingText } from "./oracle/finding.ts";
import { nothing, type SeedsAnswer, type SeedsTask } from "./seeds-process.ts";
import { minimise } from "./world/minimise.ts";
import { type Plan, planOf } from "./world/plan.ts";
import { type Report, runPlan } from "./world/run.ts";

const RUNS = 200;
const MUTATION_RUNS = 300;
const MINIMISE_RUNS = 300;
const LINES = 40;

const { values } = parseArgs({
  options: {
    runs: { type: "string" },
    seed: { type: "string" },
    jobs: { type: "string", default: String(Math.min(4, availableParallelism())) },
    twice: { type: "boolean", default: false },
    mutations: { type: "boolean", default: false },
    only: { type: "string" },
  },
});

const jobs = Number(values.jobs);
if (values.mutations) await mutations(Number(values.runs ?? MUTATION_RUNS));
else if (values.seed !== undefined && values.runs === undefined) await one(Number(values.seed));
else await many(Number(values.seed ?? 1), Number(values.runs ?? RUNS));

async function many(first: number, runs: number): Promise<void> {
  const startedAt = performance.now();
  const answers = await Promise.all(
    Array.from({ length: Math.min(jobs, runs) }, (_, index) => {
      const count = Math.ceil((runs - index) / jobs);
      return inProcess({ first: first + index, step: jobs, count, twice: values.twice });
    }),
  );
  const all = sumOf(answers);
  const seconds = (performance.now() - startedAt) / 1_000;
  for (const { seed, text } of all.failures) say(`seed ${seed}: ${text}`);
  if (all.failures.length > 0) {
    say(`Replay one with: npm run sim -- --seed ${all.failures[0]?.seed}`);
    process.exitCode = 1;
  }
  say(`${all.events} events, ${all.revisions} revisions, ${(all.virtualMs / 3.6e6).toFixed(1)} h`);
  say(`${all.tasks} orders, ${all.takes} attempts, ${all.ends} ends`);
  say(`went wrong: ${textOf(all.faults)}`);
  say(
    `${all.runs} seeds at ${commit()} in ${seconds.toFixed(1)} s ` +
      `(${(all.runs / seconds).toFixed(1)}/s), ${all.failures.length} failed`,
  );
}

async function one(seed: number): Promise<void> {
  const report = await runPlan(planOf(seed));
  say(`seed ${seed} at ${commit()}: ${report.events} events, digest ${report.digest}`);
  if (report.findings.length === 0) {
    say("Nothing was found.");
    return;
  }
  process.exitCode = 1;
  tell(report);
  const { report: small, runs } = await minimise(report, MINIMISE_RUNS);
  say(`\nThe smallest plan that breaks the same, after ${runs} runs:`);
  for (const line of planText(small.plan)) say(line);
  tell(small);
}

function tell({ findings, trace }: Report): void {
  const [first] = findings;
  if (!first) return;
  say(findingText(first));
  for (const line of trace.last(LINES, first.subject, "incident:", "peace")) say(`  ${line}`);
}

function planText({ cast, rates, incidents, steps }: Plan): string[] {
  const wrong = Object.entries(rates).filter(([, rate]) => rate > 0);
  return [
    ...cast.map(({ name, role }) => `  ${name}: ${JSON.stringify(role)}`),
    ...wrong.map(([fault, rate]) => `  ${fault}: ${rate.toFixed(3)}`),
    ...incidents.map(
      ({ at, kind, actor, ms }) => `  ${at.toFixed(0)} ${kind} ${actor} ${ms.toFixed(0)}`,
    ),
    ...steps.map(
      ({ at, actor, act }) => `  ${at.toFixed(0)} ${actor} ${JSON.stringify(act).slice(0, 300)}`,
    ),
  ];
}

async function mutations(runs: number): Promise<void> {
  const left = MUTATIONS.filter(({ name }) => name.includes(values.only ?? "")).values();
  const results: MutationResult[] = [];
  const lane = async () => {
    for (const mutation of left) {
      const result = await runMutation(mutation, runs);
      results.push(result);
      const { caught } = result;
      say(
        caught
          ? `caught    ${mutation.name}: seed ${caught.seed} (${result.runs} runs), ${caught.text}`
          : `NOT FOUND ${mutation.name}, in ${result.runs} runs`,
      );
    }
  };
  await Promise.all(Array.from({ length: jobs }, lane));
  const missed = results.filter(({ caught }) => !caught).length;
  say(`${results.length} known bugs put back, ${missed} not found`);
  if (missed > 0) process.exitCode = 1;
}

function inProcess(task: SeedsTask): Promise<SeedsAnswer> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL("./seeds-process.ts", import.meta.url)), {
      execArgv: ["--import", "tsx"],
    });
    child.once("message", (answer) => resolve(answer as SeedsAnswer));
    child.once("error", reject);
    child.once("exit", (code) =>
      reject(new Error(`A simulating process ended with code ${code}.`)),
    );
    child.send(task);
  });
}

function sumOf(answers: readonly SeedsAnswer[]): SeedsAnswer {
  const sum = nothing();
  for (const answer of answers) {
    sum.runs += answer.runs;
    sum.events += answer.events;
    sum.revisions += answer.revisions;
    sum.tasks += answer.tasks;
    sum.takes += answer.takes;
    sum.ends += answer.ends;
    sum.virtualMs += answer.virtualMs;
    sum.failures.push(...answer.failures);
    for (const [fault, count] of Object.entries(answer.faults)) {
      sum.faults[fault] = (sum.faults[fault] ?? 0) + count;
    }
  }
  sum.failures.sort((one, other) => one.seed - other.seed);
  return sum;
}

function textOf(faults: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(faults).sort(([, one], [, other]) => other - one);
  return sorted.map(([fault, count]) => `${fault} ${count}`).join(", ") || "nothing";
}

function commit(): string {
  const git = (...args: string[]) => execFileSync("git", args, { encoding: "utf8" }).trim();
  try {
    const changed = git("status", "--porcelain", "src", "sim") === "" ? "" : ", changed";
    return `${git("rev-parse", "--short", "HEAD")}${changed}`;
  } catch {
    return "no commit";
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

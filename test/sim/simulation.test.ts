import { expect, test } from "vitest";
import { findingText } from "../../sim/oracle/finding.ts";
import { planOf } from "../../sim/world/plan.ts";
import { type Report, runPlan } from "../../sim/world/run.ts";

const SEEDS_PER_TEST = 20;
const GROUPS = [1, 21, 41, 61];
const TWICE = [101, 102, 103, 104, 105];

/** What to do about a failure: `npm run sim -- --seed {seed}` shows all of it. */
function wrongWith({ plan, findings }: Report): string[] {
  return findings.map((finding) => `seed ${plan.seed}: ${findingText(finding)}`);
}

test.each(GROUPS)(
  `simulation: nothing is lost, doubled or stuck in any of ${SEEDS_PER_TEST} worlds from seed %d on`,
  { timeout: 120_000 },
  async (first) => {
    for (let seed = first; seed < first + SEEDS_PER_TEST; seed += 1) {
      const report = await runPlan(planOf(seed));
      expect(wrongWith(report)).toEqual([]);
      expect(report.revisions).toBeGreaterThan(5);
    }
  },
);

test.each(TWICE)("simulation: seed %d does the same twice, event by event", async (seed) => {
  const first = await runPlan(planOf(seed));
  const second = await runPlan(planOf(seed));
  expect(second.events).toBe(first.events);
  expect(second.digest).toBe(first.digest);
});

test("simulation: seeds differ, and together they use every kind of fault", async () => {
  const digests = new Set<string>();
  const faults = new Set<string>();
  for (let seed = 201; seed < 221; seed += 1) {
    const report = await runPlan(planOf(seed));
    digests.add(report.digest);
    for (const fault of report.faults.keys()) faults.add(fault);
  }
  expect(digests.size).toBe(20);
  expect(faults.size).toBeGreaterThan(12);
}, 60_000);

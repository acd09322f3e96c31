import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { MUTATIONS } from "../../sim/mutations/mutations.ts";
import { checkMutation, runMutation } from "../../sim/mutations/run-mutation.ts";

/** From the seed that found it last time; a change of the sources may shift that. */
const RUNS = 400;

test("mutations: each known bug can still be put back, and has a name of its own", async () => {
  for (const mutation of MUTATIONS) await checkMutation(mutation);
  expect(new Set(MUTATIONS.map(({ name }) => name)).size).toBe(MUTATIONS.length);
  expect(MUTATIONS.length).toBeGreaterThanOrEqual(20);
});

test("mutations: docs/reliability.md names each of them, and its seed", async () => {
  const text = await readFile(new URL("../../docs/reliability.md", import.meta.url), "utf8");
  for (const { name, bug, source, caughtBy, seed } of MUTATIONS) {
    expect(text).toContain(`| ${name} | ${bug} | ${source} | ${caughtBy.join(", ")} | ${seed} |`);
  }
});

test.each(MUTATIONS.map((mutation) => [mutation.name, mutation] as const))(
  "mutations: the simulation finds the known bug: %s",
  { timeout: 300_000 },
  async (_name, mutation) => {
    const { caught } = await runMutation(mutation, RUNS);
    expect(caught?.invariant).toBeDefined();
    expect(mutation.caughtBy).toContain(caught?.invariant);
  },
);

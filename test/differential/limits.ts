import fc from "fast-check";

/** Sequences that are tried in one run of the tests. */
export const RUNS = 2_000;

/** The test's own limit. */
export const TEST_MS_MAX = 300_000;

/** A sequence takes a tenth of a second. */
const SEQUENCE_MS_MAX = 15_000;

/**
 * Has fast-check tell what it found, with its seed, before the test's limit ends everything: a
 * watch that never delivers fails its sequence, and the search for a shorter one stops.
 */
export function underLimits(numRuns: number): fc.Parameters<unknown> {
  const whole = fc.interruptAfterTimeLimit(TEST_MS_MAX * 0.8, { failOnInterrupt: true });
  return { numRuns, plugins: [fc.timeout(SEQUENCE_MS_MAX), whole] };
}

// Everything that is checked before a change goes in: `npm test`. Arguments go to vitest, so
// `npm test -- src/base` runs the tests of one folder.
//
// The last line is `N passed, N failed`: tests, and one for each of lint and types.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildIfStale } from "./build.mjs";
import { complain, ensureInstalled, Refusal, runModule, say } from "./setup.mjs";

const ETCD_LINES = ["3.4", "3.5"];

async function main() {
  let passed = 0;
  let failed = 0;
  try {
    await timed("setup", prepare);
    const checks = await timed("lint and types", check);
    const tests = await timed("tests", () => runTests(process.argv.slice(2)));
    passed = checks.passed + tests.passed;
    failed = checks.failed + tests.failed;
  } catch (error) {
    complain(error);
    failed = 1;
  }
  say(`${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}

async function prepare() {
  await ensureInstalled();
  await buildIfStale();
  for (const line of ETCD_LINES) {
    const { etcd, version } = await findServer(line);
    say(`etcd ${version}: ${etcd}`);
  }
}

async function findServer(line) {
  const { findEtcd } = await import("./etcd.mjs");
  try {
    return await findEtcd(line);
  } catch (error) {
    throw new Refusal(`The tests need an etcd ${line} server.\n${error.message}`);
  }
}

/** Both go on when one fails: whoever has to mend wants to see everything. */
async function check() {
  const codes = await Promise.all([
    runModule("@biomejs/biome/bin/biome", ["check", "."]),
    runModule("typescript/bin/tsc", ["-p", "tsconfig.json", "--noEmit"]),
  ]);
  for (const [index, name] of ["lint", "types"].entries()) {
    say(`${name}: ${codes[index] === 0 ? "passed" : "FAILED"}`);
  }
  const failed = codes.filter((code) => code !== 0).length;
  return { passed: codes.length - failed, failed };
}

async function runTests(args) {
  const folder = await mkdtemp(join(tmpdir(), "etask-test-"));
  const report = join(folder, "report.json");
  try {
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    const code = await runModule("vitest/vitest.mjs", ["run", ...reporters, ...args]);
    return counted(JSON.parse(await readFile(report, "utf8").catch(() => "null")), code);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Counts a file without results as one failure, and an error outside of all files, too. */
function counted(report, code) {
  if (report === null) return { passed: 0, failed: 1 };
  const broken = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === "failed" && assertionResults.every((each) => each.status !== "failed"),
  );
  const failed = report.numFailedTests + broken.length;
  return { passed: report.numPassedTests, failed: failed === 0 && code !== 0 ? 1 : failed };
}

async function timed(what, action) {
  const start = performance.now();
  const result = await action();
  say(`${what}: ${((performance.now() - start) / 1_000).toFixed(1)} s`);
  return result;
}

await main();

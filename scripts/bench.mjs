// `npm run bench`: gets everything ready, then runs bench/bench.ts with the arguments given.
import { buildIfStale } from "./build.mjs";
import { ensureInstalled, run, runMain } from "./setup.mjs";

await runMain(async () => {
  await ensureInstalled();
  await buildIfStale();
  const args = ["--import", "tsx", "bench/bench.ts", ...process.argv.slice(2)];
  process.exitCode = Number(await run(process.execPath, args)) || 0;
});

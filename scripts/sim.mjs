// `npm run sim [-- --runs N --seed S]`, `npm run sim -- --mutations`: see sim/main.ts.
import { ensureInstalled, run, runMain } from "./setup.mjs";

await runMain(async () => {
  await ensureInstalled();
  const program = ["--import", "tsx", "sim/main.ts", ...process.argv.slice(2)];
  process.exitCode = Number(await run(process.execPath, program)) || 0;
});

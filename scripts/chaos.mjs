// `npm run chaos [-- --duration 60s --seed S --members 3|1|embedded]`: see chaos/main.ts.
import { ensureInstalled, run, runMain } from "./setup.mjs";

await runMain(async () => {
  await ensureInstalled();
  const program = ["--import", "tsx", "chaos/main.ts", ...process.argv.slice(2)];
  process.exitCode = Number(await run(process.execPath, program)) || 0;
});

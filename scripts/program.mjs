// `npm run sim [-- …]`, `npm run chaos [-- …]`: runs NAME/main.ts with what follows; see there.
import { ensureInstalled, run, runMain } from "./setup.mjs";

await runMain(async () => {
  await ensureInstalled();
  const [name, ...rest] = process.argv.slice(2);
  const program = ["--import", "tsx", `${name}/main.ts`, ...rest];
  process.exitCode = Number(await run(process.execPath, program)) || 0;
});

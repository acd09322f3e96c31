// `npm run bench [-- NAME …]`: gets everything ready, then runs bench/NAME.ts with the arguments
// that follow; without a name, bench/bench.ts. `--peers` is another way to say `peers`.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { buildIfStale } from "./build.mjs";
import { ensureInstalled, ROOT, run, runMain } from "./setup.mjs";

await runMain(async () => {
  await ensureInstalled();
  await buildIfStale();
  const [given, ...rest] = process.argv.slice(2);
  const first = given === "--peers" ? "peers" : given;
  const named = /^[a-z-]+$/.test(first ?? "") && existsSync(join(ROOT, "bench", `${first}.ts`));
  const program = named
    ? [`bench/${first}.ts`, ...rest]
    : ["bench/bench.ts", ...process.argv.slice(2)];
  process.exitCode = Number(await run(process.execPath, ["--import", "tsx", ...program])) || 0;
});

// `npm run demo [-- --store URL] [--keep]`: gets everything ready, runs examples/fleet/demo.ts.
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { buildIfStale } from "./build.mjs";
import { ensureInstalled, ROOT, runMain } from "./setup.mjs";

await runMain(async () => {
  await ensureInstalled();
  await buildIfStale();
  const args = ["--import", "tsx", "examples/fleet/demo.ts", ...process.argv.slice(2)];
  const demo = spawn(process.execPath, args, { cwd: ROOT, stdio: "inherit" });
  // Ctrl-C reaches the demo by itself; other signals are passed on. It ends first, then this.
  process.on("SIGINT", () => {});
  for (const name of ["SIGTERM", "SIGHUP"]) process.on(name, () => demo.kill(name));
  process.exitCode = await new Promise((resolve, reject) => {
    demo.once("error", reject);
    demo.once("exit", (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
});

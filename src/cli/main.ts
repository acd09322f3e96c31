#!/usr/bin/env node
import { systemClock } from "../base/clock.ts";
import { systemRandom } from "../base/random.ts";
import { Output } from "./output.ts";
import { runCli } from "./program.ts";

// Whoever reads our output may stop early, as `head` does; that is no error of ours.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    process.exit(error.code === "EPIPE" ? 0 : 1);
  });
}
const { env, stdin, stdout, stderr } = process;
const output = new Output({ stdout, stderr, env });
const world = { clock: systemClock, random: systemRandom };
const exitCode = await runCli(process.argv.slice(2), { ...world, stdin, output, env, exitCode: 0 });
await output.flushed();
// An app module may have left something open that would keep the process alive.
process.exit(exitCode);

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { test } from "vitest";
import { sequences } from "./commands.ts";
import { runSequence } from "./run-sequence.ts";
import { openEmbeddedWorld } from "./worlds.ts";

const RUNS = 2_000;
const TIMEOUT_MS = 300_000;

test("differential: the embedded store answers as the model does", {
  timeout: TIMEOUT_MS,
}, async () => {
  const directory = await mkdtemp(join(tmpdir(), "etask-differential-"));
  const world = await openEmbeddedWorld(directory);
  try {
    await fc.assert(
      fc.asyncProperty(sequences, (commands) => runSequence(commands, [world])),
      { numRuns: RUNS },
    );
  } finally {
    await world.store.close();
    await rm(directory, { recursive: true, force: true });
  }
});

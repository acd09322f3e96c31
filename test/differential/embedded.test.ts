import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { test } from "vitest";
import { sequences } from "./commands.ts";
import { RUNS, TEST_MS_MAX, underLimits } from "./limits.ts";
import { runSequence } from "./run-sequence.ts";
import { openEmbeddedWorld } from "./worlds.ts";

test("differential: the embedded store answers as the model does", {
  timeout: TEST_MS_MAX,
}, async () => {
  const directory = await mkdtemp(join(tmpdir(), "etask-differential-"));
  const world = await openEmbeddedWorld(directory);
  try {
    await fc.assert(
      fc.asyncProperty(sequences, (commands) => runSequence(commands, [world])),
      underLimits(RUNS),
    );
  } finally {
    await world.store.close();
    await rm(directory, { recursive: true, force: true });
  }
});

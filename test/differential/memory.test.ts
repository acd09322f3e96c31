import fc from "fast-check";
import { test } from "vitest";
import { sequences } from "./commands.ts";
import { runSequence } from "./run-sequence.ts";
import { createMemoryWorld } from "./worlds.ts";

test("differential: the model answers a used store's questions as a fresh one's", async () => {
  const { world } = createMemoryWorld();
  await fc.assert(
    fc.asyncProperty(sequences, (commands) => runSequence(commands, [world])),
    { numRuns: 2_000 },
  );
});

import fc from "fast-check";
import { test } from "vitest";
import { startEtcd } from "../support/etcd-server.ts";
import { sequences } from "./commands.ts";
import { RUNS, TEST_MS_MAX, underLimits } from "./limits.ts";
import { runSequence } from "./run-sequence.ts";
import { openEtcdWorld } from "./worlds.ts";

/** Most of the time is the server's 100 ms before a watch of the past begins: several at once. */
const LANES = 4;

test("differential: etcd answers as the model does", { timeout: TEST_MS_MAX }, async () => {
  const lanes = Array.from({ length: LANES }, () => runLane(RUNS / LANES));
  // All of them, so that each has stopped its server.
  for (const lane of await Promise.allSettled(lanes)) {
    if (lane.status === "rejected") throw lane.reason;
  }
});

/** Revisions are the whole server's, so each lane has one of its own. */
async function runLane(numRuns: number): Promise<void> {
  // What is compared here are answers; durability is not, and waiting for the disk takes time.
  await using server = await startEtcd({ line: "3.5", flags: ["--unsafe-no-fsync"] });
  const world = await openEtcdWorld(server);
  await using _store = world.store;
  await fc.assert(
    fc.asyncProperty(sequences, (commands) => runSequence(commands, [world])),
    underLimits(numRuns),
  );
}

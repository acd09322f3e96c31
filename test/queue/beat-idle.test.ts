import { expect, test } from "vitest";
import { Beat } from "../../src/beat/beat.ts";
import { defineTask } from "../../src/task/task.ts";
import { TroubledStore } from "./support/troubled-store.ts";
import { createWorld } from "./support/world.ts";

test("delayed: a million tasks for next week cost the Beat nothing", async () => {
  await using world = createWorld();
  const task = defineTask({ name: "later", run: () => undefined });
  await world.app([task]);
  const t = performance.now();
  for (let n = 0; n < 100; n += 1) {
    await task.delayMany(Array.from({ length: 10_000 }, () => undefined), { in: "7d" });
    if (n % 10 === 0) world.storage.compact(world.storage.revision);
  }
  console.log(performance.now() - t, process.memoryUsage().rss / 1e6, process.memoryUsage().heapUsed / 1e6, process.memoryUsage().arrayBuffers/1e6);
}, 120_000);

import { WORKERS_RANGE, workerKey } from "../../../src/task/keyspace.ts";
import type { World } from "./world.ts";

/** Ends the session of one worker, or of all, as if their processes had died. */
export async function dropSessions(
  { store }: Pick<World, "store">,
  worker?: string,
): Promise<void> {
  const { entries } = await store.range(WORKERS_RANGE);
  for (const { key, lease } of entries) {
    if (lease !== undefined && (worker === undefined || key === workerKey(worker))) {
      await store.revoke(lease);
    }
  }
}

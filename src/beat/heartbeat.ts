/**
 * Shows whoever watches that there is something to be seen.
 *
 * One commit every {@link HEARTBEAT_MS} puts the key `~` into each range that is watched for a long
 * time, so that a watch on which nothing arrives can be told from a dead one (see
 * `coordination/live-watch.ts`). These are the only writes of an idle system. They need no guard:
 * two leaders write more of them, and a late one is as good as any. A reader that knows nothing of
 * them passes them over, because no id and no name begins with `~`.
 *
 * The value holds the leader's time, by which the skew of clocks can be seen. When the store is
 * away, or the leader dies, there are none for a while; nobody concludes anything from that.
 */
import { type LoopWorld, pause } from "../base/loop.ts";
import { put } from "../store/part.ts";
import type { Store } from "../store/store.ts";
import { heartbeatKey } from "../task/keyspace.ts";
import { encodeRecord } from "../task/records.ts";

/** The pace of heartbeats. */
export const HEARTBEAT_MS = 10_000;

/**
 * The ranges that are watched. Those of single shards are listed again every few seconds anyway.
 */
export const HEARTBEAT_PREFIXES = [
  "task/",
  "worker/",
  "agent/",
  "queue/",
  "schedule/",
  "expire/",
] as const;

/** `{prefix}~`: who leads, and what time it is there. */
export interface HeartbeatRecord {
  readonly at: number;
  readonly leader: string;
}

/** Beats until `signal` aborts; throws what the store throws. */
export async function runHeartbeat(
  store: Store,
  world: LoopWorld,
  signal: AbortSignal,
  { leader }: { readonly leader: string },
): Promise<void> {
  while (!signal.aborted) {
    const value = encodeRecord({ at: world.clock.now(), leader } satisfies HeartbeatRecord);
    const writes = HEARTBEAT_PREFIXES.map((prefix) => put(heartbeatKey(prefix), value));
    await store.commit([{ guards: [], writes }]);
    await pause(world, HEARTBEAT_MS, signal);
  }
}

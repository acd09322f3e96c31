/**
 * Gives up the store's history, so that it does not fill up.
 *
 * etcd keeps every change until it is compacted. The leader notes the store's revision every
 * {@link SAMPLE_MS}, and compacts to the newest one that is old enough: once in `compactionMs`, to
 * what the store was `compactionMs` ago. A reader or watch that was cut off for less goes on
 * without a gap; one that was away for longer lists again.
 *
 * In a store of which more than {@link HURRY_SHARE} is used, history may be what fills it, and
 * `compactionMs` may be too long for its quota (1,000 tasks a second make 2 to 3 MB of history a
 * second). Then it compacts to what was {@link HURRY_MS} ago, at every sample, until enough is
 * free. That is still three periods of the heartbeat, and many of every reader's own period.
 *
 * Compacting twice, or to less than another did, changes nothing: two leaders and an operator's own
 * compaction get along. What counts is the age, so a new leader begins with a fresh list of
 * samples. Compaction is no write: it works when the store is out of space. When the store is away,
 * the loop is started again, with a fresh list.
 */

import { publish } from "../base/events.ts";
import { type LoopWorld, pause } from "../base/loop.ts";
import type { Revision, Store } from "../store/store.ts";
import { usedShare } from "../store/upkeep.ts";
import { currentRevision } from "../task/current-revision.ts";

const SAMPLE_MS = 10_000;
const HURRY_MS = 30_000;
/** Above this share of the quota history is kept for {@link HURRY_MS} only. */
const HURRY_SHARE = 0.5;

interface Sample {
  readonly revision: Revision;
  /** On the monotonic clock. */
  readonly at: number;
}

/** Compacts until `signal` aborts; returns at once when it is turned off or not needed. */
export async function runCompactor(
  store: Store,
  world: LoopWorld,
  signal: AbortSignal,
  { compactionMs }: { readonly compactionMs: number | undefined },
): Promise<void> {
  const { upkeep } = store;
  if (!upkeep || compactionMs === undefined) return;
  const { clock } = world;
  let samples: Sample[] = [];
  for (let compactedAt = clock.monotonic(); !signal.aborted; ) {
    const revision = await currentRevision(store);
    const now = clock.monotonic();
    samples.push({ revision, at: now });
    const usage = await upkeep.usage();
    const hurried = usage !== undefined && usedShare(usage) > HURRY_SHARE;
    const keptMs = hurried ? Math.min(HURRY_MS, compactionMs) : compactionMs;
    const old = samples.findLast(({ at }) => at <= now - keptMs);
    if (old && (hurried || now - compactedAt >= compactionMs)) {
      await upkeep.compact(old.revision);
      compactedAt = now;
      samples = samples.filter(({ at }) => at > old.at);
      publish("etask:beat:compacted", { revision: old.revision });
    }
    await pause(world, SAMPLE_MS, signal);
  }
}

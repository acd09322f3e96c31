/**
 * Waits until nothing of a paused queue runs.
 *
 * What workers noted under `hand/` lists everything that they may run; from the pause on nothing is
 * added. So it is enough to look until, in one pass, no task that a hand lists for the queue runs.
 * One that is seen to run is looked at alone until it has ended, so that a long wait reads one key
 * a look. When the store is away the looks go on once it is back.
 */
import { backoffMs } from "../base/backoff.ts";
import type { LoopWorld } from "../base/loop.ts";
import { listAll } from "../coordination/follower.ts";
import { untilAnswered } from "../coordination/until-answered.ts";
import type { Store } from "../store/store.ts";
import { decodeHand, decodeState } from "../task/decode.ts";
import { handKey, handRange, taskKey } from "../task/keyspace.ts";
import { readOr } from "../task/task-reader.ts";

const LOOK_MS_FIRST = 20;
const LOOK_MS_MAX = 1_000;

interface Held {
  readonly id: string;
  /** The key under which its worker noted it. */
  readonly hand: string;
}

/** See the essay above. @throws the signal's reason when it aborts first. */
export async function untilDrained(
  store: Store,
  world: LoopWorld,
  queue: string,
  signal: AbortSignal,
): Promise<void> {
  let last: Held | undefined;
  const look = async () =>
    last && (await isRunning(store, last)) ? last : await firstRunning(store, queue);
  for (let looks = 0; ; looks += 1) {
    const found = await untilAnswered(look, world, signal);
    signal.throwIfAborted();
    if (!found) return;
    if (found !== last) looks = 0;
    last = found;
    await world.clock.sleep(backoffMs(looks, LOOK_MS_FIRST, LOOK_MS_MAX, world.random), signal);
  }
}

async function firstRunning(store: Store, queue: string): Promise<Held | undefined> {
  const { entries } = await listAll(store, handRange());
  for (const entry of entries) {
    for (const id of readOr(entry, decodeHand)?.queues[queue] ?? []) {
      const held = { id, hand: entry.key };
      if (await isRunning(store, held)) return held;
    }
  }
  return undefined;
}

/** A task that was put back and taken again is another hand's, maybe from another queue. */
async function isRunning(store: Store, { id, hand }: Held): Promise<boolean> {
  const entry = await store.get(taskKey(id, "state"));
  const state = entry && readOr(entry, decodeState);
  if (state?.state !== "running" || state.hand === undefined) return false;
  return handKey(state.worker ?? "", state.hand) === hand;
}

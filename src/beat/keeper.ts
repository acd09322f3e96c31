/**
 * Removes ended tasks before their time where a queue may keep only so many, or so many bytes.
 *
 * While no queue has a limit (`keep` in its settings), the keeper follows the settings and nothing
 * else. When one has, it follows the entries under `expire/`, which say of each ended task to which
 * queue it belongs and about what it takes, and keeps sums of them (see `keep-ledger.ts`). A queue
 * above its limit loses what expires soonest, by the same guarded, delete-only parts in the same
 * chunks as the sweeper's, until it is within it. Entries whose minute has passed are the
 * sweeper's, and are not counted.
 *
 * The watch begins before the entries are read, and an entry counts by its revision: up to the
 * beginning by the read, after it by the watch. So none is missed and none counted twice, however
 * long the reading takes. When a limit changes, or history is lost, it all begins anew.
 *
 * Two keepers delete each entry once, because of the guards; the other one's deletions make its
 * sums too high, which it finds out before it removes more. When the store is away the loop is
 * started again. When the process dies, the next leader counts anew; meanwhile a queue is above its
 * limit, and nothing else is wrong.
 */

import { aborted } from "../base/aborted.ts";
import { INSTANT_MS_MAX } from "../base/date.ts";
import { type LoopWorld, pause } from "../base/loop.ts";
import { type FollowerSink, follow } from "../coordination/follower.ts";
import { watchLive } from "../coordination/live-watch.ts";
import { prefixRange } from "../store/range.ts";
import type { Entry, Revision, Store, WatchEvent } from "../store/store.ts";
import { currentRevision } from "../task/current-revision.ts";
import { QUEUES_RANGE, queueOfKey } from "../task/keyspace.ts";
import { decodeQueue } from "../task/queue-record.ts";
import { readOr } from "../task/task-reader.ts";
import { minuteOf, scanExpire } from "./expire-scan.ts";
import { type Keep, KeepLedger } from "./keep-ledger.ts";
import { Trimmer } from "./trimmer.ts";

const TRIM_MS = 1_000;
/** After minutes had to be counted anew, which reads them whole. */
const RECOUNT_MS = 10_000;

/** Keeps queues within their limits until `signal` aborts; throws what the store throws. */
export async function runKeeper(
  store: Store,
  world: LoopWorld,
  signal: AbortSignal,
): Promise<void> {
  const limits = new Limits();
  await together(signal, [
    (ends) => follow(store, QUEUES_RANGE, limits, ends, world.clock),
    async (ends) => {
      while (!ends.aborted) {
        const until = AbortSignal.any([ends, limits.unchanged]);
        if (limits.byQueue.size === 0) await aborted(until);
        else await keepWithin(store, world, limits.byQueue, until);
      }
    },
  ]);
}

/** The limits of the queues that have any. */
class Limits implements FollowerSink {
  byQueue: ReadonlyMap<string, Keep> = new Map();
  #round = new AbortController();

  /** Aborts when `byQueue` is another one. */
  get unchanged(): AbortSignal {
    return this.#round.signal;
  }

  reset(entries: readonly Entry[]): void {
    this.#set(new Map(entries.flatMap(limitOf)));
  }

  apply({ events }: { readonly events: readonly WatchEvent[] }): void {
    const byQueue = new Map(this.byQueue);
    for (const event of events) {
      byQueue.delete(queueOfKey(event.key));
      for (const [queue, keep] of event.type === "put" ? limitOf(event.entry) : []) {
        byQueue.set(queue, keep);
      }
    }
    this.#set(byQueue);
  }

  #set(byQueue: ReadonlyMap<string, Keep>): void {
    if (shape(byQueue) === shape(this.byQueue)) return;
    this.byQueue = byQueue;
    this.#round.abort();
    this.#round = new AbortController();
  }
}

function limitOf(entry: Entry): [string, Keep][] {
  const keep = readOr(entry, decodeQueue)?.keep;
  return keep ? [[queueOfKey(entry.key), keep]] : [];
}

function shape(limits: ReadonlyMap<string, Keep>): string {
  const lines = [...limits].map(([queue, { count, bytes }]) => `${queue} ${count} ${bytes}`);
  return lines.sort().join("\n");
}

async function keepWithin(
  store: Store,
  world: LoopWorld,
  limits: ReadonlyMap<string, Keep>,
  signal: AbortSignal,
): Promise<void> {
  const ledger = new KeepLedger(limits);
  const revision = await currentRevision(store);
  await together(signal, [
    (ends) => listen(store, world, ledger, revision, ends),
    async (ends) => {
      await count(store, world, ledger, revision, ends);
      const trimmer = new Trimmer(store, world, ledger);
      while (!ends.aborted) {
        ledger.passed(minuteOf(world.clock.now()));
        let recounted = false;
        for (const queue of limits.keys()) {
          recounted = (await trimmer.trim(queue, ends)) || recounted;
        }
        await pause(world, recounted ? RECOUNT_MS : TRIM_MS, ends);
      }
    },
  ]);
}

async function listen(
  store: Store,
  { clock }: LoopWorld,
  ledger: KeepLedger,
  after: Revision,
  signal: AbortSignal,
): Promise<void> {
  const range = prefixRange("expire/");
  for await (const { events } of watchLive(store, range, { after, signal, clock })) {
    for (const event of events) {
      if (event.type === "put") ledger.added(event.entry);
      else ledger.removed(event.key, event.modRevision);
    }
  }
}

async function count(
  store: Store,
  { clock }: LoopWorld,
  ledger: KeepLedger,
  revision: Revision,
  signal: AbortSignal,
): Promise<void> {
  for await (const entries of scanExpire(store, minuteOf(clock.now()), INSTANT_MS_MAX)) {
    if (signal.aborted) return;
    for (const entry of entries) if (entry.modRevision <= revision) ledger.added(entry);
  }
}

/**
 * Runs all of them until `signal` aborts; when one throws, the others end and the error goes on.
 */
async function together(
  signal: AbortSignal,
  bodies: readonly ((ends: AbortSignal) => Promise<void>)[],
): Promise<void> {
  const failed = new AbortController();
  const ends = AbortSignal.any([signal, failed.signal]);
  const running = bodies.map(async (body) => {
    try {
      await body(ends);
    } catch (error) {
      failed.abort();
      throw error;
    }
  });
  const settled = await Promise.allSettled(running);
  const rejected = settled.find(({ status }) => status === "rejected");
  if (rejected?.status === "rejected" && !signal.aborted) throw rejected.reason;
}

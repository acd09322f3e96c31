import { listAll } from "../coordination/follower.ts";
import { afterKey, prefixEnd, prefixRange } from "../store/range.ts";
import type { Store } from "../store/store.ts";
import {
  idlePrefix,
  parseReadyKey,
  QUEUE_SHARDS,
  QUEUES_RANGE,
  queueOfKey,
  readyRange,
  sequenceTime,
  shardPrefix,
} from "../task/keyspace.ts";
import { isQueue, PRIORITY_MAX } from "../task/names.ts";
import { decodeQueue, type QueueRecord } from "../task/queue-record.ts";
import { readOr } from "../task/task-reader.ts";
import { readQueueSettings } from "./queue-settings.ts";
import { inLanes, listRunning, type RunningList } from "./running-view.ts";
import { type LiveWorker, readWorkers } from "./worker-view.ts";

/** More queues with waiting tasks than this are not looked for. */
export const QUEUES_LISTED_MAX = 1_000;

/** Each priority, idle and not. */
const LEVELS_MAX = 2 * (PRIORITY_MAX + 1);

/** Keys under `ready/` that are not ours are stepped over, this many at most. */
const STRAYS_MAX = 1_000;

/** A queue: what waits in it and who works on it. */
export interface QueueView {
  readonly queue: string;
  /** Tasks that may be taken now. Those that wait for a time are not among them. */
  readonly waiting: number;
  /** Those among them that wait for an idle host. */
  readonly waitingIdle: number;
  /** When the oldest of them was enqueued, by its producer's clock. */
  readonly oldestAt: Date | undefined;
  /** Tasks taken from this queue that are being run. */
  readonly running: number;
  /**
   * Whether `running` counts all; false when there was too much to look at, then it is at least so.
   */
  readonly runningExact: boolean;
  /** Live workers that take from it. */
  readonly workers: number;
  /** Since when, by whom and why nothing is taken from it. */
  readonly paused: PauseView | undefined;
  /** What is set for its tasks. */
  readonly settings: Omit<QueueRecord, "paused">;
}

/** A pause as readers see it. */
export interface PauseView {
  readonly at: Date;
  readonly by: string | undefined;
  readonly reason: string | undefined;
}

/** Every queue that has waiting or running tasks, a live worker or settings, by name. */
export async function listQueues(store: Store): Promise<QueueView[]> {
  const running = await listRunning(store);
  return viewQueues(store, await readWorkers(store), running);
}

/** The same for workers and running tasks that were read already. */
export async function viewQueues(
  store: Store,
  workers: readonly LiveWorker[],
  running: RunningList,
): Promise<QueueView[]> {
  const settings = await readSettings(store);
  const names = new Set([
    ...(await waitingQueues(store)),
    ...settings.keys(),
    ...workers.flatMap(({ queues }) => queues),
    ...running.tasks.map(({ queue }) => queue),
  ]);
  return inLanes([...names].sort(), (queue) =>
    viewOne(store, queue, { workers, running, record: settings.get(queue) ?? {} }),
  );
}

/** One queue, also one that has nothing. */
export async function viewQueue(store: Store, queue: string): Promise<QueueView> {
  const workers = await readWorkers(store);
  const running = await listRunning(store);
  const { record } = await readQueueSettings(store, queue);
  return viewOne(store, queue, { workers, running, record });
}

interface Around {
  readonly workers: readonly LiveWorker[];
  readonly running: RunningList;
  readonly record: QueueRecord;
}

async function viewOne(store: Store, queue: string, around: Around): Promise<QueueView> {
  const { paused, ...settings } = around.record;
  return {
    queue,
    ...(await readDepth(store, queue)),
    running: around.running.tasks.filter((task) => task.queue === queue).length,
    runningExact: around.running.complete,
    workers: around.workers.filter(({ queues }) => queues.includes(queue)).length,
    paused: paused && { at: new Date(paused.at), by: paused.by, reason: paused.reason },
    settings,
  };
}

/** The settings of all queues that have any. */
async function readSettings(store: Store): Promise<Map<string, QueueRecord>> {
  const { entries } = await listAll(store, QUEUES_RANGE);
  const queues = entries.filter(({ key }) => isQueue(queueOfKey(key)));
  return new Map(
    queues.map((entry) => [queueOfKey(entry.key), readOr(entry, decodeQueue) ?? {}] as const),
  );
}

/** The queues that have waiting tasks, in the order of their keys: one read for each. */
export async function waitingQueues(store: Store): Promise<string[]> {
  const { end } = readyRange();
  let { start } = readyRange();
  const queues: string[] = [];
  for (let strays = 0; queues.length < QUEUES_LISTED_MAX && strays < STRAYS_MAX; ) {
    const [first] = (await store.range({ start, end }, { limit: 1 })).entries;
    if (!first) break;
    const position = parseReadyKey(first.key);
    if (position) queues.push(position.queue);
    else strays += 1;
    start = position ? readyRange(position.queue).end : afterKey(first.key);
  }
  return queues;
}

async function readDepth(store: Store, queue: string) {
  const { count = 0 } = await store.range(readyRange(queue), { limit: 1, count: true });
  const [oldest, idle] =
    count === 0
      ? [[], []]
      : await Promise.all([
          Promise.all(ofShards(queue, (shard) => oldestOfLevels(store, shard))),
          Promise.all(ofShards(queue, (shard) => countIdle(store, shard))),
        ]);
  const times = oldest.flat();
  return {
    waiting: count,
    waitingIdle: idle.reduce((sum, each) => sum + each, 0),
    oldestAt: times.length === 0 ? undefined : new Date(Math.min(...times)),
  };
}

function ofShards<T>(queue: string, look: (shard: string) => T): T[] {
  return Array.from({ length: QUEUE_SHARDS }, (_, shard) => look(shardPrefix(queue, shard)));
}

async function countIdle(store: Store, shard: string): Promise<number> {
  const range = prefixRange(idlePrefix(shard));
  return (await store.range(range, { limit: 1, count: true })).count ?? 0;
}

/**
 * The time of the first task of each priority: within one priority, key order is the order of age.
 */
async function oldestOfLevels(store: Store, shard: string): Promise<number[]> {
  const end = prefixEnd(shard);
  let start = shard;
  const times: number[] = [];
  for (let levels = 0; levels < LEVELS_MAX; levels += 1) {
    const [first] = (await store.range({ start, end }, { limit: 1 })).entries;
    if (!first) break;
    const position = parseReadyKey(first.key);
    const time = position && timeOf(position.sequence);
    if (time !== undefined) times.push(time);
    const idle = first.key.startsWith(idlePrefix(shard));
    start = prefixEnd(first.key.slice(0, (idle ? idlePrefix(shard) : shard).length + 1));
  }
  return times;
}

/** `undefined` for a sequence that somebody else made up. */
function timeOf(sequence: string): number | undefined {
  try {
    return sequenceTime(sequence);
  } catch {
    return undefined;
  }
}

import { listAll } from "../coordination/follower.ts";
import type { Revision, Store } from "../store/store.ts";
import { decodeWorker } from "../task/decode.ts";
import { WORKERS_RANGE, workerOfKey } from "../task/keyspace.ts";
import type { WorkerRecord } from "../task/records.ts";
import { readOr } from "../task/task-reader.ts";
import { listRunning, type RunningList } from "./running-view.ts";

/**
 * A live worker. One that takes single tasks by `Broker.dequeue` has concurrency 0 and no queues.
 */
export interface WorkerView {
  /** Random, and new after each loss of its lease. */
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  /** The version of etask that it runs. */
  readonly version: string;
  readonly queues: readonly string[];
  /** The names of the tasks that it knows. */
  readonly kinds: readonly string[];
  /** Tasks that it runs at once, now. */
  readonly concurrency: number;
  /** Between which bounds it chooses that itself. */
  readonly scale: { readonly min: number; readonly max: number } | undefined;
  /** Its host; `undefined` when it takes no idle tasks, or has not looked yet. */
  readonly room: RoomView | undefined;
  /** Tasks that it runs now. */
  readonly running: number;
  /**
   * Whether `running` counts all; false when there was too much to look at, then it is at least so.
   */
  readonly runningExact: boolean;
  /** By its own clock. */
  readonly startedAt: Date;
  /** The revision at which it registered. */
  readonly revision: Revision;
}

/**
 * What a worker's host has to spare for idle tasks. The numbers are those of the moment when that
 * changed last.
 */
export interface RoomView {
  /** Whether idle tasks are taken. */
  readonly idle: boolean;
  /** What stands against it, in words. */
  readonly why: readonly string[];
  /** What others use of the processors that the worker may use, 0 to 1. */
  readonly cpu: number;
  /** Of the memory that the worker may use, 0 to 1. */
  readonly memoryFree: number;
  readonly eventLoopDelayMs: number;
  /** By the worker's clock. */
  readonly at: Date;
}

/** A worker's record with its id and the revision at which it registered. */
export interface LiveWorker extends WorkerRecord {
  readonly id: string;
  readonly revision: Revision;
}

/** Every live worker, in the order in which they registered. */
export async function listWorkers(store: Store): Promise<WorkerView[]> {
  const running = await listRunning(store);
  return viewWorkers(await readWorkers(store), running);
}

/** The records of all live workers, in the order in which they registered. */
export async function readWorkers(store: Store): Promise<LiveWorker[]> {
  const { entries } = await listAll(store, WORKERS_RANGE);
  return entries
    .flatMap((entry) => {
      const record = readOr(entry, decodeWorker);
      const { key, createRevision } = entry;
      return record ? [{ ...record, id: workerOfKey(key), revision: createRevision }] : [];
    })
    .sort((a, b) => a.revision - b.revision);
}

/** Joins workers with what they run. */
export function viewWorkers(workers: readonly LiveWorker[], running: RunningList): WorkerView[] {
  const counts = new Map<string, number>();
  for (const { worker } of running.tasks) counts.set(worker, (counts.get(worker) ?? 0) + 1);
  return workers.map((worker) => ({
    id: worker.id,
    host: worker.host,
    pid: worker.pid,
    version: worker.version,
    queues: worker.queues,
    kinds: worker.kinds,
    concurrency: worker.concurrency,
    scale: worker.scale,
    room: worker.room && { ...worker.room, at: new Date(worker.room.at) },
    running: counts.get(worker.id) ?? 0,
    runningExact: running.complete,
    startedAt: new Date(worker.startedAt),
    revision: worker.revision,
  }));
}

import { type Channel, channel } from "node:diagnostics_channel";

/**
 * Every event that etask publishes, by the name of its `node:diagnostics_channel`.
 *
 * The core writes no log and counts no metric: whoever wants them subscribes. Payloads never hold
 * inputs, results, credentials or URLs with credentials.
 */
export interface Events {
  /** A store runs a server version with known hazards, or lacks a safety setting. */
  "etask:store:hazard": { endpoint: string; version: string; hazard: string; advice: string };
  /** A connection to the store was lost and is being made again. */
  "etask:store:reconnecting": { endpoint: string; purpose: string; reason: string };
  /** An answer was lost and the write is sent again with its witness. */
  "etask:store:resolving": { parts: number; reason: string };
  /** A record that is not ours, or damaged, was met; it is left where it is. */
  "etask:record:malformed": { key: string; reason: string };
  /** A watch lost its history and lists its range again. */
  "etask:watch:relisted": { range: string; reason: string };
  /** A worker registered and takes tasks. */
  "etask:worker:started": { worker: string; queues: readonly string[]; kinds: readonly string[] };
  /** A worker's lease is gone; it aborts what it runs and registers anew. */
  "etask:worker:lease-lost": { worker: string; running: number };
  /** A worker stopped. `released` tasks went back to their queues. */
  "etask:worker:stopped": { worker: string; released: number };
  /**
   * A worker's host has room for idle tasks now, or none any more and `why`, which may change while
   * there is none.
   */
  "etask:worker:room": {
    worker: string;
    idle: boolean;
    why: readonly string[];
    cpu: number;
    memoryFree: number;
    eventLoopDelayMs: number;
    at: number;
  };
  /** A worker that may choose runs up to `to` tasks at once from now on. */
  "etask:worker:resized": { worker: string; from: number; to: number; why: string };
  /** A task was taken by this worker. */
  "etask:task:taken": { id: string; name: string; attempt: number; worker: string };
  /** An attempt ended and its outcome was recorded. */
  "etask:task:finished": {
    id: string;
    name: string;
    attempt: number;
    state: string;
    worker: string;
  };
  /** The store refused the outcome or progress of an attempt that no longer holds its task. */
  "etask:task:stale": { id: string; attempt: number; worker: string; what: string };
  /** The task of a vanished worker was put back, or failed after too many lost workers. */
  "etask:task:rescued": { id: string; from: string; by: string; state: string };
  /** A ready task has a kind that this worker does not know; it is left for another. */
  "etask:task:kind-unknown": { id: string; name: string; worker: string };
  /** This process leads: its Beat promotes, ticks, sweeps and compacts. */
  "etask:beat:elected": { leader: string };
  /** This process leads no longer. `lost`: its lease or its key was gone. */
  "etask:beat:resigned": { leader: string; lost: boolean };
  /** The store's history up to a revision was given up. */
  "etask:beat:compacted": { revision: number };
  /** The store is nearly full: new tasks are refused until space was freed (`accepting`). */
  "etask:store:space": { accepting: boolean; usedBytes: number; quotaBytes: number };
  /** A queue's settings changed, as this worker sees it. */
  "etask:queue:changed": { queue: string; paused: boolean };
  /** A handler goes on although its attempt is over. `origin`: where its task was defined. */
  "etask:task:zombie": {
    id: string;
    name: string;
    attempt: number;
    worker: string;
    why: string;
    origin: string;
  };
  /** A task was ended by this Beat: it expired, took too long in all, or did not obey. */
  "etask:task:overdue": { id: string; state: string; why: string };
  /** A thread or process for isolated tasks was started; `runner` is its id. */
  "etask:runner:started": { kind: "thread" | "process"; runner: number };
  /**
   * A runner of isolated tasks has ended after `runs` attempts. `why`: worn (`recycled`), `idle`,
   * `stopped` with its worker, ended with its attempt (`over`), code that threw where nothing could
   * catch it (`crashed`), not ready in time (`late`), out of `memory`, or `died` by itself.
   */
  "etask:runner:ended": {
    kind: "thread" | "process";
    runner: number;
    why: "recycled" | "idle" | "stopped" | "over" | "crashed" | "late" | "memory" | "died";
    runs: number;
  };
  /** A schedule's instant came and its task was enqueued, `lateMs` after it. */
  "etask:schedule:ticked": { schedule: string; tick: number; id: string; lateMs: number };
  /** A schedule's instant came and made no task. */
  "etask:schedule:skipped": { schedule: string; tick: number; why: string };
  /** A declared schedule is older than the stored one and was left out. */
  "etask:schedule:superseded": { schedule: string };
  /** An agent registered under its name and accepts calls. */
  "etask:agent:registered": { agent: string; incarnation: string; address: string };
  /** An agent's lease is gone; it aborts what it runs and registers anew. */
  "etask:agent:lease-lost": { agent: string; running: number };
  /** An agent stopped. `aborted` calls had not ended by themselves. */
  "etask:agent:stopped": { agent: string; aborted: number };
  /** A loop met an error that it survives; it goes on after a pause. */
  "etask:loop:failed": { loop: string; error: unknown };
}

/**
 * The channels of all events. They are held, because Node 20 forgets a channel that nobody holds
 * when its last subscriber leaves, and may then forget the one that a new subscriber made as well:
 * the old one's finalizer removes it by its name.
 */
const CHANNELS: ReadonlyMap<string, Channel> = new Map(
  Object.keys({
    "etask:store:hazard": true,
    "etask:store:reconnecting": true,
    "etask:store:resolving": true,
    "etask:record:malformed": true,
    "etask:watch:relisted": true,
    "etask:worker:started": true,
    "etask:worker:lease-lost": true,
    "etask:worker:stopped": true,
    "etask:worker:room": true,
    "etask:worker:resized": true,
    "etask:task:taken": true,
    "etask:task:finished": true,
    "etask:task:stale": true,
    "etask:task:rescued": true,
    "etask:task:kind-unknown": true,
    "etask:beat:elected": true,
    "etask:beat:resigned": true,
    "etask:beat:compacted": true,
    "etask:store:space": true,
    "etask:queue:changed": true,
    "etask:task:zombie": true,
    "etask:task:overdue": true,
    "etask:runner:started": true,
    "etask:runner:ended": true,
    "etask:schedule:ticked": true,
    "etask:schedule:skipped": true,
    "etask:schedule:superseded": true,
    "etask:agent:registered": true,
    "etask:agent:lease-lost": true,
    "etask:agent:stopped": true,
    "etask:loop:failed": true,
  } satisfies Record<keyof Events, true>).map((name) => [name, channel(name)]),
);

/** Publishes one event; free when nobody subscribed. */
export function publish<Name extends keyof Events>(name: Name, event: Events[Name]): void {
  const target = CHANNELS.get(name);
  if (target?.hasSubscribers) target.publish(event);
}

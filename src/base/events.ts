import { channel } from "node:diagnostics_channel";

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
  /** A loop met an error that it survives; it goes on after a pause. */
  "etask:loop:failed": { loop: string; error: unknown };
}

/** Publishes one event; free when nobody subscribed. */
export function publish<Name extends keyof Events>(name: Name, event: Events[Name]): void {
  const target = channel(name);
  if (target.hasSubscribers) target.publish(event);
}

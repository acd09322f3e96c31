import type { WatchBatch } from "../../src/store/store.ts";
import { readyOrder } from "../../src/task/keyspace.ts";
import type { Finding } from "./finding.ts";

/** So long after it became ready a worker must know of a task. */
const KNOWN_MS = 1_000;

/**
 * In a world without faults tasks are taken in order: none while one stands before it in its shard
 * that the worker must have seen.
 */
export class OrderCheck {
  readonly findings: Finding[] = [];
  /** When each entry of the ready index was written, by shard and key. */
  readonly #shards = new Map<string, Map<string, number>>();

  /** Judges one revision that was made at the virtual time `now`. */
  step({ revision, events }: WatchBatch, now: number): void {
    const taken: string[] = [];
    const takes = events.some(({ type, key }) => type === "put" && key.startsWith("hand/"));
    for (const { type, key } of events) {
      if (!key.startsWith("ready/")) continue;
      const shard = this.#shardOf(key);
      if (type === "put") shard.set(key, now);
      else {
        shard.delete(key);
        if (takes) taken.push(key);
      }
    }
    for (const key of taken) this.#check(revision, key, now);
  }

  #check(revision: number, taken: string, now: number): void {
    for (const [key, since] of this.#shardOf(taken)) {
      if (now - since < KNOWN_MS || readyOrder(key) >= readyOrder(taken)) continue;
      const what = `it was taken while ${key} stood before it`;
      this.findings.push({ invariant: "I8", revision, subject: taken, what });
    }
  }

  #shardOf(key: string): Map<string, number> {
    const name = key.slice(0, key.lastIndexOf("/"));
    const shard = this.#shards.get(name) ?? new Map<string, number>();
    this.#shards.set(name, shard);
    return shard;
  }
}

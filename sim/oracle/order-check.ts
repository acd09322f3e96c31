import type { WatchBatch } from "../../src/store/store.ts";
import { readyOrder } from "../../src/task/keyspace.ts";
import type { Finding } from "./finding.ts";

/** So long after it became ready a worker must know of a task. */
const KNOWN_MS = 1_000;

/** A take has been applied, or never will be, so long after another one that came later. */
const UNDER_WAY_MS = 50;

interface PassedOver {
  readonly revision: number;
  readonly taken: string;
  readonly key: string;
  readonly at: number;
}

/**
 * In a world without faults tasks are taken in order: none while one stands before it in its shard
 * that the worker must have seen.
 */
export class OrderCheck {
  readonly findings: Finding[] = [];
  /** Entries that were passed over; they may be in another take that is under way. */
  #passed: PassedOver[] = [];
  /** When each entry of the ready index was written, by shard and key. */
  readonly #shards = new Map<string, Map<string, number>>();

  /** Judges one revision that was made at the virtual time `now`. */
  step({ revision, events }: WatchBatch, now: number): void {
    this.#judge(now);
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
      this.#passed.push({ revision, taken, key, at: now });
    }
  }

  /** What still stands a while after something behind it was taken is in no take under way. */
  #judge(now: number): void {
    const due = this.#passed.filter(({ at }) => now - at > UNDER_WAY_MS);
    this.#passed = this.#passed.filter((each) => !due.includes(each));
    for (const { revision, taken, key, at } of due) {
      const since = this.#shardOf(key).get(key);
      if (since === undefined || since > at) continue;
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

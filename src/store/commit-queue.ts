import type { KeyTurns, Turns } from "./key-turns.ts";
import type { Part } from "./part.ts";
import type { PartResult } from "./store.ts";

// Both lists below are linked through the calls, and a call that leaves one is unlinked both ways.
// A Set did the same work at half the speed: its table is rebuilt all the time, and the dead
// tables, like a chain of dead calls, drag live calls into the old heap.

/** One caller's commit, from its arrival to its answer. */
export class Call {
  readonly parts: readonly Part[];
  readonly bytes: number;
  readonly arrivedMs: number;
  readonly lane: Lane;
  readonly turns: Turns<Call>;
  readonly resolve: (results: PartResult[]) => void;
  readonly reject: (error: unknown) => void;
  /** Whether the caller has been told that this will not be sent. */
  abandoned = false;
  /** The call that became ready after this one, in the same lane. */
  nextReady: Call | undefined;
  /** Neighbours among the waiting calls. */
  older: Call | undefined;
  newer: Call | undefined;

  constructor(given: CallFacts, keys: KeyTurns<Call>) {
    this.parts = given.parts;
    this.bytes = given.bytes;
    this.arrivedMs = given.arrivedMs;
    this.lane = given.lane;
    this.resolve = given.resolve;
    this.reject = given.reject;
    this.turns = keys.claim(this, this.parts);
  }
}

/** What is known of a {@link Call} when it arrives. */
export type CallFacts = Pick<Call, "parts" | "bytes" | "arrivedMs" | "lane" | "resolve" | "reject">;

/**
 * Ready calls in the order in which they became ready, and how many commits carry others of them.
 */
export class Lane {
  readonly flightsMax: number;
  flights = 0;
  first: Call | undefined;
  #last: Call | undefined;

  constructor(flightsMax: number) {
    this.flightsMax = flightsMax;
  }

  push(call: Call): void {
    if (this.#last === undefined) this.first = call;
    else this.#last.nextReady = call;
    this.#last = call;
  }

  dropFirst(): void {
    const call = this.first;
    if (call === undefined) return;
    this.first = call.nextReady;
    call.nextReady = undefined;
    if (this.first === undefined) this.#last = undefined;
  }
}

/** All calls that are not in flight yet, in the order of their arrival, and what they sum up to. */
export class WaitingCalls {
  oldest: Call | undefined;
  parts = 0;
  bytes = 0;
  #newest: Call | undefined;

  add(call: Call): void {
    this.parts += call.parts.length;
    this.bytes += call.bytes;
    call.older = this.#newest;
    if (this.#newest === undefined) this.oldest = call;
    else this.#newest.newer = call;
    this.#newest = call;
  }

  remove(call: Call): void {
    this.parts -= call.parts.length;
    this.bytes -= call.bytes;
    const { older, newer } = call;
    if (older === undefined) this.oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    call.older = undefined;
    call.newer = undefined;
  }
}

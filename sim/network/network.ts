/**
 * What lies between the processes of a simulated world and their store: latency, losses, and the
 * store's own moods. It is the driver, the wire and the server in one, so what it does to a caller
 * is what the contract of `Store` allows a driver to do.
 */
import type { Clock } from "../../src/base/clock.ts";
import { createMemoryStorage, type MemoryStorage } from "../../src/store/memory/index.ts";
import type { Part } from "../../src/store/part.ts";
import type { LeaseId, PartResult } from "../../src/store/store.ts";
import type { Chance } from "../engine/chance.ts";
import { EPOCH_MS } from "../engine/life-clock.ts";
import type { Life, Scheduler } from "../engine/scheduler.ts";
import { type FaultRates, NO_FAULTS } from "./faults.ts";

/** A life that talks to the store. */
export interface Process extends Life {
  /** Until then nothing that it sends arrives. */
  mutedUntil: number;
  /** Until then nothing that is sent to it arrives. */
  deafUntil: number;
  readonly watches: Set<OpenWatch>;
}

/** A watch of a process. */
export interface OpenWatch {
  /** Ends it as a closed store does. */
  end(): void;
  /** Forgets it, without a word to whoever waits for the next batch. */
  forget(): void;
}

/** Who commits what, while it is applied. */
export interface Writer {
  readonly process: Process;
  readonly parts: readonly Part[];
  /** Its sender gave it up before it arrived. */
  readonly late: boolean;
}

const LATENCY_MS = 2;
const SLOW_MS_MAX = 2_000;
const LEASE_LATE_MS_MAX = 8_000;

/** A caller gives a request up after so long. */
export const CALL_MS_MAX = 3_000;
/** So long after it was given up a request may still arrive. */
export const LATE_MS_MAX = 12_000;

/** See the essay above. */
export class Network {
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  readonly storage: MemoryStorage;
  rates: FaultRates = NO_FAULTS;
  /** Of the quota, as the server says; 0 to 1. */
  usedShare = 0;
  /** How often each thing went wrong. */
  readonly faults = new Map<string, number>();
  readonly leases: LeaseId[] = [];
  #writer: Writer | undefined;

  constructor(scheduler: Scheduler, chance: Chance) {
    this.scheduler = scheduler;
    this.chance = chance;
    this.storage = createMemoryStorage({ clock: this.#serverClock() });
  }

  /** Who writes the revision that is being made; `undefined` when a lease ends. */
  get writer(): Writer | undefined {
    return this.#writer;
  }

  /** Whether something of this kind goes wrong now; it is counted then. */
  strikes(fault: keyof FaultRates): boolean {
    const rate = this.rates[fault];
    if (rate === 0 || !this.chance.happens(rate)) return false;
    this.count(fault);
    return true;
  }

  count(fault: string): void {
    this.faults.set(fault, (this.faults.get(fault) ?? 0) + 1);
  }

  /** How long something is on its way. */
  delayMs(slow: keyof FaultRates = "slow"): number {
    const usual = this.chance.between(0.1, LATENCY_MS);
    return this.strikes(slow) ? this.chance.between(usual, SLOW_MS_MAX) : usual;
  }

  /** Applies a commit that has arrived. */
  commit(process: Process, parts: readonly Part[], late: boolean): PartResult[] {
    this.#writer = { process, parts, late };
    try {
      return this.storage.commit(parts);
    } finally {
      this.#writer = undefined;
    }
  }

  #serverClock(): Clock {
    const { scheduler } = this;
    return {
      now: () => EPOCH_MS + scheduler.now,
      monotonic: () => scheduler.now,
      sleep: () => Promise.reject(new Error("The server does not sleep.")),
      after: (ms, action) => {
        const late = this.strikes("leaseLate") ? this.chance.between(0, LEASE_LATE_MS_MAX) : 0;
        return scheduler.after(ms + late, action, { wakes: false });
      },
      nextTurn: (action) => {
        scheduler.after(0, action, { wakes: false });
      },
    };
  }
}

/**
 * One virtual time and one queue of events for everything that happens in a simulated world.
 *
 * Timers, requests on their way to the store, answers on their way back and watch batches are all
 * events here; nothing else makes the program go on. Of the events of one moment chance picks the
 * next one. After each event the program runs until it waits for the next: Node runs microtasks in
 * a fixed order, so the same seed gives the same run.
 *
 * An event may belong to a life, which is what runs between a process's start and its death. Events
 * of a dead life never happen; those of a paused one happen when the pause is over.
 */
import type { CancelTimer } from "../../src/base/clock.ts";
import { systemClock } from "../../src/base/clock.ts";
import type { Chance } from "./chance.ts";
import { EventQueue, type Timed } from "./event-queue.ts";
import type { Trace } from "./trace.ts";

/** What runs between a process's start and its death. */
export interface Life {
  readonly name: string;
  dead: boolean;
  /** Until then nothing of it happens. */
  pausedUntil: number;
  /** How far its wall clock is from the true time. */
  skewMs: number;
}

interface SimEvent extends Timed {
  at: number;
  readonly life: Life | undefined;
  /** Goes into the trace; timers and the like have none. */
  readonly what: string | undefined;
  /** Whether the program may go on because of it. */
  readonly wakes: boolean;
  readonly act: () => void;
  cancelled: boolean;
}

/** How an event is scheduled. */
export interface EventOptions {
  readonly life?: Life | undefined;
  readonly what?: string;
  /** False for an event that resolves nothing that the program waits for. Default true. */
  readonly wakes?: boolean;
}

/** See the essay above. */
export class Scheduler {
  readonly trace: Trace;
  readonly #chance: Chance;
  readonly #events = new EventQueue<SimEvent>();
  #now = 0;
  #handled = 0;

  constructor(chance: Chance, trace: Trace) {
    this.#chance = chance;
    this.trace = trace;
  }

  /** Milliseconds of virtual time since the beginning. */
  get now(): number {
    return this.#now;
  }

  /** How many events have happened. */
  get handled(): number {
    return this.#handled;
  }

  /** Lets `act` happen after `ms`. Returns what takes it back. */
  after(ms: number, act: () => void, options: EventOptions = {}): CancelTimer {
    const { life, what, wakes = true } = options;
    const at = this.#now + Math.max(0, ms);
    const event = { at, rank: this.#chance.next(), life, what, wakes, act, cancelled: false };
    this.#events.push(event);
    return () => {
      event.cancelled = true;
    };
  }

  /** Adds a line to the trace. */
  note(what: string): void {
    this.trace.note(this.#now, what);
  }

  /** Goes on until `over`, or until `until` on the virtual clock, whichever comes first. */
  async run(until: number, over: () => boolean = () => false): Promise<void> {
    await settle();
    while (!over()) {
      const event = this.#events.first;
      if (event === undefined || event.at > until) {
        this.#now = Math.max(this.#now, until);
        return;
      }
      this.#events.take();
      if (this.#happen(event)) await settle();
    }
  }

  #happen(event: SimEvent): boolean {
    const { life, what, act, wakes } = event;
    if (event.cancelled || life?.dead === true) return false;
    if (life !== undefined && life.pausedUntil > event.at) {
      event.at = life.pausedUntil;
      this.#events.push(event);
      return false;
    }
    this.#now = event.at;
    this.#handled += 1;
    if (what !== undefined) this.note(life === undefined ? what : `${life.name} ${what}`);
    act();
    return wakes;
  }
}

/** Lets the program run until it waits. */
function settle(): Promise<void> {
  return new Promise((resolve) => systemClock.nextTurn(resolve));
}

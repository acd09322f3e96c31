/**
 * A user of the queue: does one act after another from several callers at once, each with a line in
 * the journal before and after.
 */

import type { Chance } from "../../sim/engine/chance.ts";
import { type Act, perform, planAct, type Uses } from "../../sim/world/acts.ts";
import { Ledger } from "../../sim/world/ledger.ts";
import type { App } from "../../src/app.ts";
import type { Clock } from "../../src/base/clock.ts";
import type { Journal } from "./journal.ts";

/** The queues of every run. Only the last one is purged: what is in the others must end. */
export const QUEUES = ["a", "b", "bin"] as const;

const CALLERS = 4;
const PAUSE_MS_MAX = 120;
/** Acts pick their tasks out of the last so many. */
const IDS_MAX = 40;
/** Waits and watches under way; more are not begun. */
const WAITS_MAX = 200;

/** What a producer works with. */
export interface ProducerWorld {
  readonly app: App;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly process: string;
  readonly journal: Journal;
  readonly effects: Journal;
  /** Orders are numbered from here; no other life of any producer uses these numbers. */
  readonly firstOrder: number;
}

/** See above. */
export class Producer {
  readonly #world: ProducerWorld;
  readonly #uses: Uses;
  readonly #over = new AbortController();
  readonly #acts = new Set<Promise<void>>();
  /** Waits and watches, which go on beside all else. */
  readonly #beside = new Set<Promise<void>>();
  /** Waits for the ends of tasks that exist. */
  readonly #waits = new Set<Promise<void>>();
  #callers: Promise<unknown> = Promise.resolve();
  #seq = 0;

  constructor(world: ProducerWorld) {
    this.#world = world;
    this.#uses = { queues: QUEUES, orders: world.firstOrder, ids: [], schedules: [] };
  }

  start(): void {
    const callers = Array.from({ length: CALLERS }, () => this.#call());
    this.#callers = Promise.all(callers);
  }

  /** Begins nothing any more, and waits for all that was begun but those who wait for an end. */
  async quiet(): Promise<void> {
    this.#over.abort();
    await this.#callers;
    await Promise.all(this.#acts);
  }

  /** Resolves when all that was begun has ended; when the app closes, waits do. */
  async over(): Promise<void> {
    await Promise.all(this.#beside);
  }

  /** Resolves when everybody who waits for the end of a task that exists was told of it. */
  async settled(): Promise<void> {
    await Promise.all(this.#waits);
  }

  async #call(): Promise<void> {
    const { chance, clock } = this.#world;
    while (!this.#over.signal.aborted) {
      const act = this.#next();
      if (act.kind === "wait" || act.kind === "watch") this.#wait(act);
      else {
        const doing = this.#begin(act);
        this.#acts.add(doing);
        void doing.finally(() => this.#acts.delete(doing));
        await doing;
      }
      await clock.sleep(chance.between(0, PAUSE_MS_MAX), this.#over.signal).catch(() => {});
    }
  }

  #next(): Act {
    const { chance, clock } = this.#world;
    const act = planAct(chance, this.#uses);
    const { ids } = this.#uses;
    ids.splice(0, Math.max(0, ids.length - IDS_MAX));
    if (act.kind === "purge") return { ...act, queue: "bin" };
    if (act.kind !== "enqueue" || act.options.id === undefined) return act;
    // Ids that other producers use at the same time.
    const shared = `shared-${Math.floor(clock.monotonic() / 500)}`;
    if (!chance.happens(0.1)) return act;
    ids.push(shared);
    return { ...act, options: { ...act.options, id: shared } };
  }

  #wait(act: Act & { kind: "wait" | "watch" }): void {
    if (this.#beside.size >= WAITS_MAX) return;
    const waiting = this.#begin(act).finally(() => {
      this.#beside.delete(waiting);
      this.#waits.delete(waiting);
    });
    this.#beside.add(waiting);
    if (act.kind === "wait" && act.since !== undefined) this.#waits.add(waiting);
  }

  async #begin(act: Act): Promise<void> {
    const { app, clock, process, journal, effects } = this.#world;
    const ledger = new Ledger();
    // Compactions are part of the game, and no client knows of them.
    ledger.isCompacted = () => true;
    ledger.onRun = ({ id, attempt, fence, startedAt }) => {
      const run = { id, attempt, fence, process, startedAt };
      effects.write({ kind: "run", at: startedAt, wall: Date.now(), run, byHand: true });
    };
    this.#seq += 1;
    const seq = this.#seq;
    journal.write({ kind: "act", at: clock.monotonic(), seq, act });
    const also = (more: Act) => {
      if (more.kind !== "wait") return;
      // A throttle may join a task that is gone by now: only one that was created is there for
      // sure.
      const created = ledger.orders.some(({ answer }) => answer.kind === "created");
      this.#wait(created ? more : { kind: "wait", id: more.id });
    };
    const refusals: string[] = [];
    const note = (what: string) => refusals.push(what);
    try {
      await perform(act, { app, clock, process, ledger, also, note });
    } catch (error) {
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
      journal.write({ kind: "broken", at: clock.monotonic(), what: `${act.kind}: ${what}` });
    }
    const { orders, waits, sightings } = ledger;
    const error = refusals.find((what) => what.startsWith(`${act.kind}: `));
    const line = { at: clock.monotonic(), seq, doings: { orders, waits, sightings } };
    journal.write({ kind: "done", ...line, ...(error === undefined ? {} : { error }) });
  }
}

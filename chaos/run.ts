/**
 * One run: processes work on a store while things go wrong; then everything is put right, all that
 * was accepted must end; then everything is judged.
 *
 * The processes write down what they do and are told. A recorder follows the store from its first
 * revision on. Both outlive every process, so the verdict rests on no process's word alone.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { chanceFor } from "../sim/engine/chance.ts";
import { EPOCH_MS } from "../sim/engine/life-clock.ts";
import type { Finding } from "../sim/oracle/finding.ts";
import { HistoryCheck } from "../sim/oracle/history-check.ts";
import { createApp } from "../src/app.ts";
import { systemClock } from "../src/base/clock.ts";
import type { Store } from "../src/store/store.ts";
import { currentState } from "../src/task/current.ts";
import { isFinal } from "../src/task/state.ts";
import { Actor } from "./actors/actor.ts";
import { type CastSize, castOf } from "./actors/cast.ts";
import { QUEUES } from "./actors/producer.ts";
import { gather } from "./oracle/evidence.ts";
import { finding, judge, type Verdict } from "./oracle/judge.ts";
import { compareStore, leftovers } from "./oracle/remains.ts";
import type { Fault, Place } from "./places/place.ts";
import { processFaults } from "./process-faults.ts";
import { recordFaults } from "./record-faults.ts";
import { Recorder } from "./recorder.ts";
import { type Happened, Storm } from "./storm.ts";

/** What a run is made of. */
export interface RunOptions {
  readonly seed: number;
  readonly stormMs: number;
  readonly cast: CastSize;
  /** Wait until retention is over, to see that nothing is left. */
  readonly clean: boolean;
  /** Where the journals, the history and the verdict go; made when it is not there. */
  readonly directory: string;
  readonly say: (line: string) => void;
}

/** What came of it. */
export interface Report {
  readonly verdict: Verdict;
  readonly faults: readonly Happened[];
  readonly lives: number;
  readonly acts: number;
}

const START_MS_MAX = 90_000;
const QUIET_MS_MAX = 90_000;
const DRAIN_MS_MAX = 120_000;
const SETTLE_MS_MAX = 30_000;
/** The longest lease of a process, renewed by a server that was started again. */
const LEASES_MS_MAX = 60_000;
const CLEAN_MS_MAX = 300_000;
const STOP_MS_MAX = 60_000;
const LOOK_MS = 200;

/** Runs once on a place, which the caller opened and closes. */
export async function runChaos(place: Place, options: RunOptions): Promise<Report> {
  await mkdir(options.directory, { recursive: true });
  const store = await place.openDirect();
  const run = new Run(place, store, options);
  try {
    return await run.run();
  } finally {
    await run.end();
    await store.close();
  }
}

class Run {
  readonly #place: Place;
  readonly #store: Store;
  readonly #options: RunOptions;
  readonly #recorder: Recorder;
  readonly #findings: Finding[] = [];
  readonly #actors: Actor[] = [];
  /** Follows the tasks as the recorder does. */
  readonly #tasks = new HistoryCheck();

  constructor(place: Place, store: Store, options: RunOptions) {
    this.#place = place;
    this.#store = store;
    this.#options = options;
    this.#recorder = new Recorder(store);
    this.#recorder.follow((recorded) => this.#tasks.step(recorded));
  }

  async run(): Promise<Report> {
    const { seed, stormMs, say } = this.#options;
    const wallOffset = systemClock.now() - systemClock.monotonic();
    await this.#start();
    const recorder = this.#recorder;
    const names = this.#actors.map(({ name }) => name);
    const storm = new Storm({ actors: names, recorder }, { seed, say });
    const moving = chanceFor(seed, "clocks").happens(0.5);
    const allowed = ({ kind }: Fault) => moving || kind !== "clock moved";
    const [even, odd] = [0, 1].map((rest) =>
      processFaults(this.#actors.filter((_, index) => index % 2 === rest)).filter(allowed),
    );
    const records = recordFaults(this.#store);
    await storm.rage([[...(even ?? []), ...records], odd ?? [], ...this.#place.hands], stormMs);
    const raged = systemClock.monotonic();
    const took = (what: string) => {
      say(`${((systemClock.monotonic() - raged) / 1_000).toFixed(1)} s after the storm: ${what}`);
    };
    const drainMs = await this.#drain();
    took(drainMs === undefined ? "not everything has ended" : "everything has ended");
    const cleaned = this.#options.clean && drainMs !== undefined;
    if (cleaned) await this.#clean();
    await this.#stop();
    took("every process has stopped");
    await this.#lookAround(cleaned, drainMs !== undefined);
    took("nothing is left, or it stays");
    const compared = await this.#compare();
    const timeOf = (wall: number) => wall - EPOCH_MS;
    const evidence = gather(this.#options.directory, (at) => timeOf(at + wallOffset));
    for (const { name, accidents } of this.#actors) {
      for (const accident of accidents) this.#find("I15", name, accident);
    }
    const verdict = judge({
      ...{ history: recorder.history, evidence, timeOf, compared, cleaned },
      ...(drainMs === undefined ? {} : { drainMs }),
      skewMs: skewOf(storm.happened),
      findings: this.#findings,
    });
    const lives = this.#actors.reduce((sum, actor) => sum + actor.lives, 0);
    await this.#keep(storm.happened, verdict);
    return { verdict, faults: storm.happened, lives, acts: evidence.acts };
  }

  /** Ends everything, however the run ended. */
  async end(): Promise<void> {
    await Promise.all(this.#actors.map((actor) => actor[Symbol.asyncDispose]()));
    await this.#recorder.stop();
  }

  #find(invariant: Finding["invariant"], subject: string, what: string): void {
    this.#findings.push(finding(invariant, subject, what));
  }

  async #start(): Promise<void> {
    const { seed, directory, cast } = this.#options;
    const parts = castOf(cast, chanceFor(seed, "cast"));
    for (const [index, { name, role }] of parts.entries()) {
      const store = await this.#place.urlFor(name);
      this.#actors.push(new Actor({ name, index, role, store, directory, seed }));
    }
    for (const actor of this.#actors) actor.start();
    await this.#within(
      START_MS_MAX,
      "processes do not start",
      Promise.all(this.#actors.map((actor) => actor.ready())),
    );
  }

  /** Resolves to how long it took until everything had ended, or to nothing if it does not. */
  async #drain(): Promise<number | undefined> {
    const since = systemClock.monotonic();
    for (const actor of this.#actors) actor.start();
    const quiet = this.#actors.map(async (actor) => {
      await actor.ready();
      await actor.quiet();
    });
    if (!(await this.#within(QUIET_MS_MAX, "calls do not return", Promise.all(quiet)))) return;
    await this.#openUp();
    const until = systemClock.monotonic() + DRAIN_MS_MAX;
    while (this.#open().length > 0 && systemClock.monotonic() < until) {
      await systemClock.sleep(LOOK_MS);
    }
    for (const id of this.#open()) this.#find("I15", id, "it does not end");
    const settled = Promise.all(this.#actors.map((actor) => actor.settled()));
    await this.#within(SETTLE_MS_MAX, "who waits for an end is not told", settled);
    return this.#open().length > 0 ? undefined : systemClock.monotonic() - since;
  }

  /**
   * Opens all queues, takes back their settings, and ends all schedules, which would make tasks for
   * ever.
   */
  async #openUp(): Promise<void> {
    const app = await createApp({ store: this.#store });
    for (const queue of QUEUES) {
      await app.queues.resume(queue);
      await app.queues.configure(queue, { order: null, concurrency: null, keep: null });
    }
    const { schedules } = await app.schedules.list();
    for (const { name } of schedules) await app.schedules.remove(name);
    await app.close();
    await this.#recorder.caughtUp(START_MS_MAX);
  }

  /** Waits until the Beat has removed all that has ended. */
  async #clean(): Promise<void> {
    await this.#gone(() => leftovers(this.#store, "swept"), CLEAN_MS_MAX);
  }

  /** Stops every process; one worker stays until what others have left behind is cleared away. */
  async #stop(): Promise<void> {
    const last = this.#actors.find(({ role }) => role.kind === "worker");
    const others = this.#actors.filter((actor) => actor !== last);
    const stopped = Promise.all(others.map((actor) => actor.stop()));
    await this.#within(STOP_MS_MAX, "processes do not stop", stopped);
    await this.#gone(() => leftovers(this.#store, "ended"));
    await this.#within(STOP_MS_MAX, "a worker does not stop", Promise.resolve(last?.stop()));
  }

  /** Waits until nothing is left, or too long; resolves to what is. */
  async #gone(
    left: () => Promise<readonly string[]>,
    // The leases of those that were killed end by themselves.
    ms = LEASES_MS_MAX,
  ): Promise<readonly string[]> {
    const until = systemClock.monotonic() + ms;
    for (;;) {
      const found = await left();
      if (found.length === 0 || systemClock.monotonic() > until) return found;
      await systemClock.sleep(LOOK_MS);
    }
  }

  /** Looks for what should not be there any more. */
  async #lookAround(cleaned: boolean, drained: boolean): Promise<void> {
    if (!drained) return;
    const left = await this.#gone(async () => [
      ...(await leftovers(this.#store, cleaned ? "cleaned" : "stopped")),
      ...(await this.#place.leases()).map((lease) => `lease ${lease}`),
    ]);
    for (const key of left) this.#find("I14", key, "it is left");
  }

  /** Compares what the store holds with what the history says; returns how many keys there are. */
  async #compare(): Promise<number> {
    const recorder = this.#recorder;
    if (!(await recorder.caughtUp(START_MS_MAX))) {
      this.#find("I13", "recorder", `it did not keep up: ${recorder.failure ?? "too slow"}`);
      return 0;
    }
    const { keys, differences } = await compareStore(this.#store, recorder.history);
    for (const { key, what } of differences) this.#find("I13", key, what);
    return keys;
  }

  #open(): string[] {
    return [...this.#tasks.tasks]
      .filter(([, { spec, state }]) => spec && !isFinal(currentState(spec, state).state))
      .map(([id]) => id);
  }

  async #within(ms: number, what: string, promise: Promise<unknown>): Promise<boolean> {
    const ending = new AbortController();
    const late = systemClock.sleep(ms, ending.signal).then(
      () => false,
      () => true,
    );
    const done = await Promise.race([promise.then(() => true), late]);
    ending.abort();
    if (!done) this.#find("I15", "run", `${what} within ${ms} ms`);
    return done;
  }

  async #keep(faults: readonly Happened[], verdict: Verdict): Promise<void> {
    const { directory, seed } = this.#options;
    const history = this.#recorder.history.map((recorded) => JSON.stringify(recorded, readable));
    await writeFile(join(directory, "history.jsonl"), `${history.join("\n")}\n`);
    const summary = { seed, place: this.#place.title, node: process.version, faults, verdict };
    await writeFile(join(directory, "run.json"), `${JSON.stringify(summary, undefined, 2)}\n`);
  }
}

/** Values as text, so that the history can be read and searched. */
function readable(key: string, value: unknown): unknown {
  if (key !== "value" || !(value instanceof Uint8Array)) return value;
  return Buffer.from(value).toString();
}

function skewOf(faults: readonly Happened[]): number {
  const moved = faults.filter(({ kind }) => kind === "clock moved");
  // One clock is moved at a time, but another one may still be on its way back.
  return moved.length === 0 ? 0 : 40_000;
}

/** Removes what a run has left behind. */
export async function discard(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
}

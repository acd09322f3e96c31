/**
 * Keeps time and house for the whole system.
 *
 * A Beat is one of many candidates; the one that is elected runs the loops below, one a file. None
 * of them relies on being alone: what they write is compare-and-swap, so two leaders at once, or a
 * Beat that is cut off and goes on for a moment, do no harm.
 */
import { setMaxListeners } from "node:events";
import { hostname } from "node:os";
import { publish } from "../base/events.ts";
import { type LoopWorld, runLoop } from "../base/loop.ts";
import { requireKnownKeys } from "../base/options.ts";
import { stoppedBySignals } from "../base/stop-signals.ts";
import { standForElection } from "../coordination/election.ts";
import type { Store } from "../store/store.ts";
import { LEADER_KEY } from "../task/keyspace.ts";
import { encodeRecord } from "../task/records.ts";
import { type BeatOptions, type ResolvedBeatOptions, resolveBeatOptions } from "./beat-options.ts";
import { runCompactor } from "./compactor.ts";
import { runDeadlines } from "./deadlines.ts";
import { runHeartbeat } from "./heartbeat.ts";
import { runKeeper } from "./keeper.ts";
import { runPromoter } from "./promoter.ts";
import { runRescueAudit } from "./rescue-audit.ts";
import { runSpaceWatch } from "./space.ts";
import { runSweeper } from "./sweeper.ts";
import { runTicker } from "./ticker.ts";

/** What a loop of the leading Beat works with. */
export interface BeatWorld extends LoopWorld {
  readonly store: Store;
  /** Names this leadership; new each time. */
  readonly leader: string;
  readonly options: ResolvedBeatOptions;
}

/** Everything that the leading Beat does. */
const LOOPS: Readonly<Record<string, (beat: BeatWorld, signal: AbortSignal) => Promise<void>>> = {
  promoter: (beat, signal) => runPromoter(beat.store, beat, signal),
  deadlines: (beat, signal) => runDeadlines(beat.store, beat, signal),
  ticker: (beat, signal) => runTicker(beat.store, beat, signal),
  "rescue audit": (beat, signal) => runRescueAudit(beat.store, beat, signal, beat),
  sweeper: (beat, signal) => runSweeper(beat.store, beat, signal),
  keeper: (beat, signal) => runKeeper(beat.store, beat, signal),
  compactor: (beat, signal) => runCompactor(beat.store, beat, signal, beat.options),
  space: (beat, signal) => runSpaceWatch(beat.store, beat, signal, beat),
  heartbeat: (beat, signal) => runHeartbeat(beat.store, beat, signal, beat),
};

/** See the essay above. */
export class Beat implements AsyncDisposable {
  readonly #store: Store;
  readonly #world: LoopWorld;
  readonly #options: ResolvedBeatOptions;
  readonly #ending = new AbortController();
  #running: Promise<void> | undefined;
  #leader: string | undefined;

  /** @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed. */
  constructor(store: Store, world: LoopWorld, options?: BeatOptions) {
    this.#store = store;
    this.#world = world;
    this.#options = resolveBeatOptions(options);
  }

  /** Whether this one leads now, as far as it knows. */
  get leading(): boolean {
    return this.#leader !== undefined;
  }

  /** Stands for election, and leads when elected. Idempotent. */
  start(): void {
    this.#running ??= runLoop("beat", this.#world, this.#ending.signal, (ends) =>
      this.#stand(ends),
    );
  }

  /** Stops, and lets another one lead at once. Idempotent. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  /**
   * Starts, and stops at SIGTERM or SIGINT or when `signal` aborts. Resolves when it has stopped.
   */
  async run(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    requireKnownKeys("beat.run", options, ["signal"]);
    const stop = () => this.#ending.abort();
    await stoppedBySignals(stop, options.signal, async () => {
      this.start();
      await this.#running;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #stand(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#world;
    let id = "";
    const value = () => {
      id = random.hex(8);
      return encodeRecord({ id, host: hostname(), pid: process.pid, at: clock.now() });
    };
    const election = { key: LEADER_KEY, value, ttlMs: this.#options.leaseTtlMs };
    return standForElection(this.#store, this.#world, election, signal, (_session, ends) =>
      this.#lead(id, ends),
    );
  }

  async #lead(leader: string, signal: AbortSignal): Promise<void> {
    const beat: BeatWorld = {
      ...this.#world,
      store: this.#store,
      leader,
      options: this.#options,
    };
    this.#leader = leader;
    publish("etask:beat:elected", { leader });
    await runLeader(beat, signal);
    this.#leader = undefined;
    publish("etask:beat:resigned", { leader, lost: !this.#ending.signal.aborted });
  }
}

/** Does all that a leading Beat does, until `signal` aborts. */
export async function runLeader(beat: BeatWorld, signal: AbortSignal): Promise<void> {
  // Each loop listens while it pauses; Node would warn of a leak at the eleventh.
  setMaxListeners(0, signal);
  const loops = Object.entries(LOOPS).map(([name, run]) =>
    runLoop(name, beat, signal, (ends) => run(beat, ends)),
  );
  await Promise.all(loops);
}

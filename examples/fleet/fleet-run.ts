/**
 * One run of the demo, from starting the processes to the summary.
 *
 * Everything that is shown comes from one watch of the store, begun before the first task is there. The
 * run ends when the watch has shown the end of every task and the producer has its results; when a
 * process ends that should not have; or when it is interrupted.
 */
import { channel } from "node:diagnostics_channel";
import type { App, Events } from "etask";
import { allTasks, fileFindings, recordFindings } from "./check.ts";
import { Child, type Message } from "./children.ts";
import { FleetState, type Note, seconds } from "./fleet-state.ts";
import { buildFleet, runMachines } from "./machines.ts";
import { everyTask, labelOf, type Plan, planOf } from "./plan.ts";
import type { Screen } from "./screen.ts";
import { noteLine, panelLines, statusNote, summaryLines } from "./view.ts";

const SLOTS = 4;
const VICTIM = "A";
const DRAW_EVERY_MS = 100;
const STATUS_EVERY_MS = 2_000;

/** What a run works with. */
export interface FleetRunOptions {
  readonly app: App;
  /** The store's URL, for the other processes. */
  readonly url: string;
  readonly directory: string;
  readonly screen: Screen;
  /** Leave the tasks in the store. */
  readonly keep: boolean;
}

/** See above. Disposing of it ends its processes. */
export class FleetRun implements AsyncDisposable {
  readonly #with: FleetRunOptions;
  readonly #name = `fleet-${process.pid.toString(36)}${Date.now().toString(36).slice(-4)}`;
  readonly #plan: Plan;
  readonly #fleet: FleetState;
  readonly #workers = new Map<string, Child>();
  readonly #children: Child[] = [];
  readonly #over = new AbortController();
  readonly #startedAt = performance.now();
  #settled: Readonly<Record<string, string>> | undefined;
  #killedAt = 0;
  #rescuedAt = 0;

  constructor(options: FleetRunOptions) {
    this.#with = options;
    this.#plan = planOf(this.#name);
    this.#fleet = new FleetState(everyTask(this.#plan).length, SLOTS);
  }

  /** Runs to the end and returns what was not as planned. Rejects with the signal's reason. */
  async run(interrupted: AbortSignal): Promise<readonly string[]> {
    const signal = AbortSignal.any([interrupted, this.#over.signal]);
    const { app, directory } = this.#with;
    const stopShowing = this.#show();
    try {
      await buildFleet(directory);
      const machines = runMachines(directory, this.#over.signal);
      const { revision } = await app.backend.list({ prefix: `${this.#name}/`, limit: 1 });
      const followed = this.#follow(revision, signal);
      await this.#startAll(signal);
      await followed;
      signal.throwIfAborted();
      await this.#stopAll();
      this.#over.abort();
      await machines;
    } finally {
      stopShowing();
    }
    return await this.#sumUp();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#children.map((child) => child.end("SIGKILL")));
  }
}

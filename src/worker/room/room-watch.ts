/**
 * Watches whether this worker's host has room: for idle tasks, and for more slots.
 *
 * Once a second it takes a sample of the host, asks the user's probe, and decides (see `room.ts`).
 * The first sample comes a second after the start; before that nothing is known and no idle task is
 * taken. A probe that does not answer within a second counts as a failure and is not asked again
 * before it has; a failure is published when it follows an answer, and stands against idle tasks
 * like a no.
 *
 * How long it must be calm before idle tasks are taken again is left to chance, so that several
 * workers of one host, which are in one another's way, do not all begin and stop at the same time.
 *
 * Nothing here is written to the store; whoever listens does that. When the event loop is blocked
 * the samples come late, and say so themselves. Nothing is left behind when the process dies.
 */
import { InvalidOptionsError } from "../../base/errors.ts";
import { publish } from "../../base/events.ts";
import { type LoopWorld, pause } from "../../base/loop.ts";
import { shown } from "../../base/options.ts";
import type { RoomRecord } from "../../task/records.ts";
import { type HostMeter, type HostSample, openHostMeter } from "../host/host-meter.ts";
import type { ResolvedIdleOptions } from "./idle-options.ts";
import type { IdleWork } from "./idle-work.ts";
import {
  judge,
  lowerLimits,
  nextRoom,
  type Obstacle,
  obstaclesOf,
  type ProbeAnswer,
  type RoomState,
} from "./room.ts";

const SAMPLE_MS = 1_000;
const CALM_MS_MIN = 5_000;
const CALM_MS_SPREAD = 4_000;
const FAILURE_LENGTH_MAX = 200;

/** What a watch works with. */
export interface RoomWatchWorld {
  readonly world: LoopWorld;
  /** What must not stand in the way of idle tasks; `undefined` when none are taken at all. */
  readonly limits: ResolvedIdleOptions | undefined;
  readonly work: IdleWork;
  /** Called after each sample. */
  sampled(): void;
  /** What to measure with; by default the real host. */
  readonly openMeter?: (() => HostMeter) | undefined;
}

/** See the essay above. */
export class RoomWatch {
  readonly #with: RoomWatchWorld;
  #state: RoomState | undefined;
  #sample: HostSample | undefined;
  #sampledAt = 0;
  #asking = false;
  /** What each obstacle was like when it was met last. */
  readonly #texts = new Map<Obstacle, string>();
  #failure: string | undefined;

  constructor(world: RoomWatchWorld) {
    this.#with = world;
  }

  /** Whether idle tasks may be taken now. */
  get idle(): boolean {
    return this.#state?.idle === true;
  }

  /** What stands against idle tasks now. */
  get obstacles(): readonly Obstacle[] {
    return this.#state ? obstaclesOf(this.#state) : [];
  }

  /** The last sample. */
  get sample(): HostSample | undefined {
    return this.#sample;
  }

  /** What is to be said of it; `undefined` while nothing is known, or no idle tasks are taken. */
  get record(): RoomRecord | undefined {
    const sample = this.#sample;
    if (!sample || !this.#state) return undefined;
    return {
      idle: this.idle,
      why: this.obstacles.map((obstacle) => this.#texts.get(obstacle) ?? obstacle),
      cpu: rounded(sample.cpuOthers),
      memoryFree: rounded(sample.memoryFree),
      eventLoopDelayMs: Math.round(sample.eventLoopDelayMs),
      at: this.#sampledAt,
    };
  }

  /** Samples until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { world, openMeter = () => openHostMeter(world.clock) } = this.#with;
    const meter = openMeter();
    try {
      while (!signal.aborted) {
        const answer = this.#ask();
        await pause(world, SAMPLE_MS, signal);
        if (!signal.aborted) this.#take(meter, answer());
      }
    } finally {
      meter.close();
      this.#state = undefined;
    }
  }

  #take(meter: HostMeter, probe: ProbeAnswer): void {
    const { world, limits, work } = this.#with;
    const sample = meter.sample(work.ranSinceAsked());
    this.#sample = sample;
    this.#sampledAt = world.clock.now();
    if (limits) {
      const calmMs = CALM_MS_MIN + CALM_MS_SPREAD * world.random.next();
      const judgement = judge(sample, limits, probe);
      for (const obstacle of judgement.high) {
        this.#texts.set(obstacle, this.#text(obstacle, sample, limits));
      }
      this.#state = nextRoom(this.#state, judgement, world.clock.monotonic(), calmMs);
    }
    this.#with.sampled();
  }

  /** Begins to ask the probe; the function that it returns tells what has come of it. */
  #ask(): () => ProbeAnswer {
    const probe = this.#with.limits?.probe;
    if (!probe) return () => undefined;
    if (this.#asking) return () => "failed";
    let answer: ProbeAnswer;
    this.#asking = true;
    this.#answerOf(probe)
      .then((said) => {
        answer = said;
      })
      .finally(() => {
        this.#asking = false;
      });
    return () => {
      if (answer === undefined) this.#fail(new Error("It did not answer within a second."));
      return answer ?? "failed";
    };
  }

  async #answerOf(probe: () => boolean | Promise<boolean>): Promise<ProbeAnswer> {
    try {
      const said: unknown = await probe();
      if (typeof said !== "boolean") {
        throw new InvalidOptionsError(`idle.probe must answer true or false; got ${shown(said)}.`);
      }
      this.#failure = undefined;
      return said ? "yes" : "no";
    } catch (error) {
      this.#fail(error);
      return "failed";
    }
  }

  #fail(error: unknown): void {
    if (this.#failure === undefined) publish("etask:loop:failed", { loop: "idle probe", error });
    const message = error instanceof Error ? error.message : String(error);
    this.#failure = message.slice(0, FAILURE_LENGTH_MAX);
  }

  #text(obstacle: Obstacle, sample: HostSample, limits: ResolvedIdleOptions): string {
    const lower = lowerLimits(limits);
    const late = [sample.eventLoopDelayMs, lower.eventLoopDelayMs].map(Math.round);
    switch (obstacle) {
      case "cpu":
        return `others use ${percent(sample.cpuOthers)} of the CPU (limit ${percent(lower.cpu)})`;
      case "memory":
        return `${percent(sample.memoryFree)} of memory free (limit ${percent(lower.memoryFree)})`;
      case "event-loop":
        return `event loop late by ${late[0]} ms (limit ${late[1]} ms)`;
      case "probe":
        return "the probe says no";
      case "probe-failed":
        return `the probe failed: ${this.#failure ?? "it did not answer"}`;
    }
  }
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function rounded(share: number): number {
  return Math.round(share * 1_000) / 1_000;
}

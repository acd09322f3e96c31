/**
 * The runners of one worker: started when they are needed, kept for the next attempt, ended when
 * they are worn or have had nothing to do.
 *
 * Nobody waits here. Whoever takes a runner has a slot of the worker already, so there are never
 * more runners at work than slots; idle ones of another make give way, so that there are no more
 * runners than slots in all. (A runner that is being killed may outlive its slot for a moment.) The
 * one that worked last is taken first, so that the ones too many get idle and end.
 *
 * A runner that has died is forgotten. After `close` there is none, and none is started.
 */
import type { CancelTimer } from "../../base/clock.ts";
import type { LoopWorld } from "../../base/loop.ts";
import { within } from "../../base/within.ts";
import { RunnerDiedError } from "./isolation-errors.ts";
import type { ResolvedIsolationOptions } from "./isolation-options.ts";
import { NEARLY } from "./lifeline.ts";
import { type KillReason, Runner, type RunnerMake } from "./runner.ts";

const CLOSE_MS_MAX = 5_000;

/** See the essay above. */
export class RunnerPool {
  readonly #options: ResolvedIsolationOptions;
  readonly #sizeMax: number;
  readonly #world: LoopWorld;
  readonly #all = new Set<Runner>();
  /** In the order in which they became idle. */
  readonly #idle = new Map<Runner, CancelTimer>();
  #closed = false;

  constructor(options: ResolvedIsolationOptions, sizeMax: number, world: LoopWorld) {
    this.#options = options;
    this.#sizeMax = sizeMax;
    this.#world = world;
  }

  /** An idle runner, or a new one. @throws RunnerDiedError (`RUNNER_DIED`) after `close`. */
  take(make: RunnerMake): Runner {
    if (this.#closed) throw new RunnerDiedError("The worker has stopped.");
    const idle = [...this.#idle.keys()].findLast((runner) => isOf(runner, make));
    if (idle) {
      this.#unlist(idle);
      return idle;
    }
    if (this.#all.size >= this.#sizeMax) {
      const [other] = this.#idle.keys();
      if (other) this.#end(other, "recycled");
    }
    const runner = new Runner(make, this.#world.clock);
    this.#all.add(runner);
    runner.ended.then(() => this.#forget(runner));
    return runner;
  }

  /** Takes a runner back that has answered. */
  giveBack(runner: Runner): void {
    if (!runner.alive) return;
    if (this.#closed) this.#end(runner, "stopped");
    else if (this.#worn(runner)) this.#end(runner, "recycled");
    else {
      const end = () => this.#end(runner, "idle");
      this.#idle.set(runner, this.#world.clock.after(this.#options.idleMs, end));
    }
  }

  /** Ends all that have nothing to do. */
  endIdle(): void {
    for (const runner of this.#idle.keys()) this.#end(runner, "stopped");
  }

  /** Ends all runners. Resolves when they have ended, or after 5 s. */
  async close(): Promise<void> {
    this.#closed = true;
    const all = [...this.#all];
    for (const runner of all) this.#end(runner, "stopped");
    const ended = Promise.all(all.map((each) => each.ended));
    await within(ended, { ms: CLOSE_MS_MAX, clock: this.#world.clock });
  }

  #worn({ runs, usedBytes, make }: Runner): boolean {
    const { attemptsMax, recycleBytes = make.memoryBytes * NEARLY } = this.#options;
    return runs >= attemptsMax || usedBytes > recycleBytes;
  }

  #end(runner: Runner, reason: KillReason): void {
    this.#unlist(runner);
    runner.kill(reason);
  }

  #unlist(runner: Runner): void {
    this.#idle.get(runner)?.();
    this.#idle.delete(runner);
  }

  #forget(runner: Runner): void {
    this.#unlist(runner);
    this.#all.delete(runner);
  }
}

function isOf({ make, alive }: Runner, { kind, memoryBytes }: RunnerMake): boolean {
  return alive && make.kind === kind && make.memoryBytes === memoryBytes;
}

/**
 * Runs attempts, one function call each, and records how they ended.
 *
 * An attempt goes: read the spec (from the ready entry, or from the store when it is large) → find
 * the task → check the input → call the handler → decide the outcome → one commit, guarded by the
 * fence. The commit is repeated until the store answers, because the outcome exists only here. When
 * the store refuses it, the attempt had lost its task: that is reported as `etask:task:stale` and
 * nothing else happens; whoever has the task now records its outcome.
 *
 * An aborted attempt (`abortAll`) is given back with the attempt not counted as soon as its handler
 * ends; an attempt that comes after that, from a take that was under way, is given back without
 * being started. `releaseAll` gives back without waiting for handlers, and waits for outcomes that
 * are being recorded. A handler that goes on after that is ignored but keeps its slot until it
 * ends, so that no more handlers run than were asked for.
 *
 * If the process dies at any step before the commit, the lease expires and a rescuer puts the task
 * back; if it dies after the commit, the outcome stands.
 */

import { RecordMalformedError } from "../base/errors.ts";
import { publish } from "../base/events.ts";
import { createIdSource, type IdSource } from "../base/ids.ts";
import { requireJson } from "../base/json.ts";
import type { LoopWorld } from "../base/loop.ts";
import { type FinishFacts, finishPart, type Outcome, releasePart } from "../broker/finish.ts";
import { commitHeld } from "../broker/hold.ts";
import { requirePayload } from "../broker/spec.ts";
import { untilAnswered } from "../coordination/until-answered.ts";
import type { Write } from "../store/part.ts";
import type { Store } from "../store/store.ts";
import type { Attempt } from "../task/attempt.ts";
import type { TaskContext } from "../task/context.ts";
import { decodeSpec } from "../task/decode.ts";
import { DEFAULT_RETENTION, resolveDelayOptions } from "../task/enqueue-options.ts";
import { type AbortReason, failureOf, isFinalFailure } from "../task/failure.ts";
import { parseWith } from "../task/input.ts";
import { taskKey } from "../task/keyspace.ts";
import type { RetentionRecord, SpecRecord } from "../task/records.ts";
import type { Registry } from "../task/registry.ts";
import { NO_RETRY, resolveRetry, retryDelayMs } from "../task/retry-policy.ts";
import type { RegisteredTask } from "../task/task.ts";
import { readOr } from "../task/task-reader.ts";
import { AttemptAbort } from "./attempt-abort.ts";
import type { Hands } from "./hands.ts";
import { ProgressReporter } from "./progress-reporter.ts";

/** What an executor works with. */
export interface ExecutorWorld {
  readonly store: Store;
  readonly world: LoopWorld;
  readonly registry: Registry;
  readonly hands: Hands;
  readonly worker: string;
  readonly resultBytesMax: number;
  /** Aborts when outcomes need not be tried any longer. */
  readonly giveUp: AbortSignal;
}

interface Running {
  readonly attempt: Attempt;
  readonly abort: AttemptAbort;
  readonly progress: ProgressReporter;
  spec: SpecRecord | undefined;
  task: RegisteredTask | undefined;
  /** Once the outcome or release is decided: whether it landed. Nothing else may be recorded. */
  recorded: Promise<boolean> | undefined;
}

/** See the essay above. */
export class Executor {
  readonly #with: ExecutorWorld;
  readonly #nextSequence: IdSource;
  readonly #running = new Set<Running>();
  /** Once set, nothing is started any more. */
  #ended: AbortReason | undefined;

  constructor(world: ExecutorWorld) {
    this.#with = world;
    this.#nextSequence = createIdSource(world.world.clock, world.world.random);
  }

  /** Attempts whose handler runs or whose outcome is not recorded yet. */
  get running(): number {
    return this.#running.size;
  }

  /**
   * Runs one attempt to its end; calls `handlerEnded` before the outcome is recorded. Never
   * rejects.
   */
  async run(attempt: Attempt, handlerEnded: () => void): Promise<void> {
    const { store, world, worker } = this.#with;
    const abort = new AttemptAbort();
    const progress = new ProgressReporter(store, world, attempt, () => {
      this.#stale(attempt, "progress");
      abort.abort("lease-lost");
    });
    const running: Running = {
      attempt,
      abort,
      progress,
      spec: attempt.ready.spec,
      task: this.#with.registry.find(attempt.ready.name),
      recorded: undefined,
    };
    this.#running.add(running);
    if (this.#ended) abort.abort(this.#ended);
    const { id, state, ready } = attempt;
    publish("etask:task:taken", { id, name: ready.name, attempt: state.attempt, worker });
    try {
      const outcome = abort.aborted ? "release" : await this.#attempt(running);
      handlerEnded();
      await this.#record(running, outcome);
    } catch (error) {
      publish("etask:loop:failed", { loop: `task ${id}`, error });
    } finally {
      this.#running.delete(running);
    }
  }

  /** Tells all handlers to stop, and why. From now on none is started. */
  abortAll(reason: AbortReason): void {
    this.#ended ??= reason;
    for (const { abort } of this.#running) abort.abort(reason);
  }

  /**
   * Gives all running tasks back without waiting for their handlers, but for outcomes that are
   * decided. Returns how many were given back.
   */
  async releaseAll(): Promise<number> {
    const released = [...this.#running].map(async (running) => {
      const decided = running.recorded !== undefined;
      const landed = await (running.recorded ?? this.#record(running, "release"));
      return landed && !decided ? 1 : 0;
    });
    const counts = await Promise.allSettled(released);
    return counts.reduce((sum, count) => sum + (count.status === "fulfilled" ? count.value : 0), 0);
  }

  /** From spec to outcome: everything a handler can do wrong ends here as data. */
  async #attempt(running: Running): Promise<Outcome | "release"> {
    try {
      const spec = await this.#spec(running);
      const { task } = running;
      if (!task) throw new RecordMalformedError(`The task ${spec.name} is not known here.`);
      const input = await parseWith(task.input, `input of ${spec.name}`, spec.input);
      const result = await task.run(input as never, this.#context(running, spec));
      if (result !== undefined) requireJson("result", result);
      requirePayload(`The result of ${spec.name}`, result, this.#with.resultBytesMax);
      return { kind: "succeeded", result };
    } catch (error) {
      return running.abort.aborted ? "release" : this.#failed(running, error);
    }
  }

  #failed({ attempt, spec, task }: Running, thrown: unknown): Outcome {
    const error = failureOf(thrown);
    if (isFinalFailure(thrown)) return { kind: "failed", error };
    const policy = spec?.retry ?? (task?.retry ? resolveRetry(task.retry) : NO_RETRY);
    const failures = attempt.state.attempt - (attempt.state.lost ?? 0);
    const delayMs = retryDelayMs(policy, failures, this.#with.world.random.next());
    return delayMs === undefined ? { kind: "failed", error } : { kind: "retry", error, delayMs };
  }

  async #spec(running: Running): Promise<SpecRecord> {
    const { id } = running.attempt;
    if (!running.spec) {
      const { store, world, giveUp } = this.#with;
      const read = () => store.get(taskKey(id, "spec"));
      const entry = await untilAnswered(read, world, giveUp);
      running.spec = entry && readOr(entry, decodeSpec);
    }
    if (running.spec?.id === id) return running.spec;
    throw new RecordMalformedError(`The record ${taskKey(id, "spec")} is missing or damaged.`);
  }

  #context({ attempt, abort, progress }: Running, spec: SpecRecord): TaskContext<never> {
    return {
      id: attempt.id,
      name: spec.name,
      queue: attempt.position.queue,
      priority: attempt.position.priority,
      headers: spec.headers ?? {},
      attempt: attempt.state.attempt,
      fence: attempt.fence,
      get signal() {
        return abort.signal;
      },
      progress: (percent, detail) => progress.set(percent, detail),
      advance: (delta, detail) => progress.advance(delta, detail),
    };
  }

  #record(running: Running, outcome: Outcome | "release"): Promise<boolean> {
    running.recorded ??= this.#commit(running, outcome);
    return running.recorded;
  }

  async #commit(running: Running, outcome: Outcome | "release"): Promise<boolean> {
    const { store, world, giveUp, hands } = this.#with;
    const { attempt } = running;
    const facts = this.#facts(attempt, running, running.progress.close());
    const part =
      outcome === "release" ? releasePart(attempt, facts) : finishPart(attempt, outcome, facts);
    const held = (await commitHeld(store, part, world, giveUp)) !== undefined;
    if (held) this.#finished(attempt, outcome);
    else this.#stale(attempt, "outcome");
    const rest = hands.ended(attempt.state.hand as number, held);
    // Nothing depends on it: an entry that stays behind is forgotten by the next rescuer.
    if (rest.length > 0) store.commit(rest).catch(() => {});
    return held;
  }

  #facts(
    attempt: Attempt,
    { spec, task }: Pick<Running, "spec" | "task">,
    also: readonly Write[],
  ): FinishFacts {
    return {
      at: this.#with.world.clock.now(),
      sequence: this.#nextSequence(),
      retention: spec?.retention ?? retentionOf(task),
      spec,
      also: [...also, ...this.#with.hands.ending(attempt.state.hand as number)],
    };
  }

  #finished({ id, ready, state }: Attempt, outcome: Outcome | "release"): void {
    publish("etask:task:finished", {
      id,
      name: ready.name,
      attempt: state.attempt,
      state: outcome === "release" ? "released" : outcome.kind,
      worker: this.#with.worker,
    });
  }

  #stale({ id, state }: Attempt, what: string): void {
    publish("etask:task:stale", { id, attempt: state.attempt, worker: this.#with.worker, what });
  }
}

function retentionOf(task: RegisteredTask | undefined): RetentionRecord {
  if (task?.retention === undefined) return DEFAULT_RETENTION;
  return resolveDelayOptions(task).retention ?? DEFAULT_RETENTION;
}

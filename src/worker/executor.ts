/**
 * Runs attempts, one function call each, and records how they ended.
 *
 * An attempt goes: read the spec (from the ready entry, or from the store when it is large) → find
 * the task → check the input → call the handler → decide the outcome → one commit, guarded by the
 * fence. The commit is repeated until the store answers, because the outcome exists only here. When
 * the store refuses it, the attempt had lost its task: that is reported as `etask:task:stale` and
 * nothing else happens; whoever has the task now records its outcome.
 *
 * A handler is told to stop by its signal. When that is because the worker stops (`abortAll`), the
 * attempt is given back with the attempt not counted as soon as its handler ends; an attempt that
 * comes after that, from a take that was under way, is given back without being started.
 * `releaseAll` gives back without waiting for handlers, and waits for outcomes that are being
 * recorded. When it is because of a cancel or a time limit, the outcome is that once the handler
 * has thrown; a handler that returns has succeeded all the same.
 *
 * An idle task that is told to stop to make room (`preempt.ts`) is given back in the same way.
 *
 * A handler that does not stop in time is a zombie: its outcome is recorded without it, whatever it
 * comes to later is ignored, and it is reported as `etask:task:zombie`. It leaves its slot, so that
 * the next task can run, unless there are as many zombies as slots already. One that is given back
 * because the worker stops keeps its slot until it ends.
 *
 * A handler that runs isolated (`isolation/`) is ended by force instead, and its slot is free when
 * it has ended. When the worker stops, its task is given back after that. Only one that survives
 * even force is a zombie.
 *
 * If the process dies at any step before the commit, the lease expires and a rescuer puts the task
 * back; if it dies after the commit, the outcome stands.
 */

import type { Clock } from "../base/clock.ts";
import { RecordMalformedError } from "../base/errors.ts";
import { publish } from "../base/events.ts";
import { createIdSource, type IdSource } from "../base/ids.ts";
import type { LoopWorld } from "../base/loop.ts";
import { within } from "../base/within.ts";
import { type Ended, endAttempt, type FinishFacts, type Outcome } from "../broker/finish.ts";
import { requireResult } from "../broker/spec.ts";
import { untilAnswered } from "../coordination/until-answered.ts";
import type { Write } from "../store/part.ts";
import { getSince } from "../store/read-since.ts";
import type { Store } from "../store/store.ts";
import type { Attempt } from "../task/attempt.ts";
import type { TaskContext } from "../task/context.ts";
import { decodeSpec } from "../task/decode.ts";
import { DEFAULT_RETENTION, resolveRetention } from "../task/enqueue-options.ts";
import type { AbortReason } from "../task/failure.ts";
import { parseWith } from "../task/input.ts";
import { taskKey } from "../task/keyspace.ts";
import { isRetryAt, isSnooze } from "../task/outcome.ts";
import {
  type CancelRecord,
  cancelFacts,
  type RetentionRecord,
  type SpecRecord,
} from "../task/records.ts";
import type { Registry } from "../task/registry.ts";
import { runTask } from "../task/run-task.ts";
import type { RegisteredTask } from "../task/task.ts";
import { readOr } from "../task/task-reader.ts";
import { armLimits } from "./attempt-limits.ts";
import { AttemptRun } from "./attempt-run.ts";
import type { Hands } from "./hands.ts";
import type { Wish } from "./inbox.ts";
import type { Isolation } from "./isolation/isolation.ts";
import type { QueueSettingsView } from "./queue-settings.ts";
import type { Slots } from "./slots.ts";
import {
  type Judged,
  retryAtVerdict,
  snoozeVerdict,
  totalTimeoutVerdict,
  verdictOf,
} from "./verdict.ts";

/** What an executor works with. */
export interface ExecutorWorld {
  readonly store: Store;
  readonly world: LoopWorld;
  readonly registry: Registry;
  readonly hands: Hands;
  readonly worker: string;
  readonly resultBytesMax: number;
  readonly settings: QueueSettingsView;
  readonly slots: Slots;
  readonly isolation: Isolation;
  /** Aborts when outcomes need not be tried any longer. */
  readonly giveUp: AbortSignal;
  /** What is known to be wanted of a task that is about to run. */
  wishOf(id: string): Wish | undefined;
}

/** How long a handler that was ended by force may take to be gone. */
const KILL_MS_MAX = 5_000;
/** How long an isolated handler has to stop by itself when its worker stops. */
const STOP_MS_MAX = 1_000;

/** See the essay above. */
export class Executor {
  readonly #with: ExecutorWorld;
  readonly #nextSequence: IdSource;
  readonly #running = new Set<AttemptRun>();
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

  /** Whether an attempt at the task runs here. */
  runs(id: string): boolean {
    for (const { attempt } of this.#running) if (attempt.id === id) return true;
    return false;
  }

  /**
   * Runs one attempt to its end; calls `handlerEnded` when it needs its slot no more. Never
   * rejects.
   */
  async run(attempt: Attempt, handlerEnded: () => void): Promise<void> {
    const { worker, registry } = this.#with;
    const { id, state, ready } = attempt;
    const run = new AttemptRun(attempt, registry.find(ready.name), this.#with, {
      stale: (what) => this.#stale(attempt, what),
    });
    this.#running.add(run);
    publish("etask:task:taken", { id, name: ready.name, attempt: state.attempt, worker });
    let slotFree = false;
    const freeSlot = () => {
      if (!slotFree) handlerEnded();
      slotFree = true;
    };
    try {
      const outcome = await this.#decide(run);
      run.stopTimers();
      if (run.handlerEnded) freeSlot();
      else if (run.kill) this.#kill(run, freeSlot);
      else if (this.#becomesZombie(run)) freeSlot();
      await this.#record(run, outcome);
    } catch (error) {
      publish("etask:loop:failed", { loop: `task ${id}`, error });
    } finally {
      run.stopTimers();
      this.#running.delete(run);
    }
    await run.handlerDone;
    freeSlot();
  }

  /** Tells all handlers to stop, and why. From now on none is started. */
  abortAll(reason: AbortReason): void {
    this.#ended ??= reason;
    for (const run of this.#running) run.abort(reason);
  }

  /** The attempts that {@link running} counts, in the order in which they were taken. */
  get attempts(): Iterable<AttemptRun> {
    return this.#running;
  }

  /** Tells the handler of a task that it is cancelled. Returns whether the task runs here. */
  cancel(id: string, { cancel, revision }: Wish): boolean {
    let found = false;
    for (const run of this.#running) {
      if (run.attempt.id !== id || revision < run.attempt.fence) continue;
      found = true;
      if (!run.wish) this.#cancel(run, cancel);
    }
    return found;
  }

  /**
   * Gives all running tasks back without waiting for their handlers, but for outcomes that are
   * decided. Returns how many were given back.
   */
  async releaseAll(): Promise<number> {
    const released = [...this.#running].map(async (run) => {
      const decided = run.recorded !== undefined;
      if (!decided) await this.#endIsolated(run);
      const landed = await (run.recorded ?? this.#record(run, { kind: "released" }));
      return landed && !decided ? 1 : 0;
    });
    const counts = await Promise.allSettled(released);
    return counts.reduce((sum, count) => sum + (count.status === "fulfilled" ? count.value : 0), 0);
  }

  #cancel(run: AttemptRun, wish: CancelRecord): void {
    const { world } = this.#with;
    run.wish = wish;
    run.abort("cancelled");
    run.after(world, wish.at + wish.graceMs - world.clock.now(), () => {
      run.end({ kind: "cancelled", cancel: { ...cancelFacts(wish), forced: true } });
    });
  }

  async #decide(run: AttemptRun): Promise<Outcome> {
    const wish = this.#with.wishOf(run.attempt.id);
    // One that was about an earlier attempt may not have been forgotten yet.
    if (wish && wish.revision > run.attempt.fence) this.#cancel(run, wish.cancel);
    if (this.#ended) run.abort(this.#ended);
    if (!run.aborted) return run.decided(() => this.#attempt(run));
    run.handlerEnded = true;
    return run.wish ? { kind: "cancelled", cancel: cancelFacts(run.wish) } : { kind: "released" };
  }

  /** From spec to outcome: everything a handler can do wrong ends here as data. */
  async #attempt(run: AttemptRun): Promise<Outcome> {
    const judged = () => this.#judged(run);
    try {
      const spec = await this.#spec(run);
      const { task } = run;
      if (!task) throw new RecordMalformedError(`The task ${spec.name} is not known here.`);
      const { world, settings, isolation } = this.#with;
      // A runner checks the input itself.
      using place = isolation.isolates(task) ? await isolation.enter(task, run) : undefined;
      const input = place ? spec.input : await parseInput(task, spec);
      // What was said while the spec was read must keep the handler from being started.
      if (run.aborted) return this.#unfinished(run, run.signal.reason);
      if (isOver(spec, world.clock)) return totalTimeoutVerdict(judged());
      armLimits(run, world, settings.of(run.attempt.position.queue).record, judged);
      const context = this.#context(run, spec);
      const result = await (place ? place.run(input, context) : runTask(task, input, context));
      if (isSnooze(result)) return snoozeVerdict(judged(), result);
      if (isRetryAt(result)) return retryAtVerdict(judged(), result);
      // A runner has checked its result itself.
      if (!place) requireResult(spec.name, result, this.#with.resultBytesMax);
      return { kind: "succeeded", result };
    } catch (error) {
      return this.#unfinished(run, error);
    }
  }

  #unfinished(run: AttemptRun, thrown: unknown): Outcome {
    if (run.aborted !== undefined && GIVEN_BACK.has(run.aborted)) return { kind: "released" };
    if (run.wish) return { kind: "cancelled", cancel: cancelFacts(run.wish) };
    if (run.overall) return totalTimeoutVerdict(this.#judged(run));
    return verdictOf(this.#judged(run), thrown, run.aborted === "timeout");
  }

  #judged({ attempt, spec, task }: AttemptRun): Judged {
    const { world, settings } = this.#with;
    return {
      attempt,
      spec,
      task,
      settings: settings.of(attempt.position.queue).record,
      now: world.clock.now(),
      chance: world.random.next(),
    };
  }

  async #spec(run: AttemptRun): Promise<SpecRecord> {
    const { id } = run.attempt;
    if (!run.spec) {
      const { store, world, giveUp } = this.#with;
      const read = () => getSince(store, taskKey(id, "spec"), run.attempt.fence);
      const entry = await untilAnswered(read, world, giveUp);
      run.spec = entry && readOr(entry, decodeSpec);
      run.specBytes = entry?.value.byteLength ?? 0;
    }
    if (run.spec?.id === id) return run.spec;
    throw new RecordMalformedError(`The record ${taskKey(id, "spec")} is missing or damaged.`);
  }

  #context(run: AttemptRun, spec: SpecRecord): TaskContext {
    const { attempt, progress } = run;
    return {
      id: attempt.id,
      name: spec.name,
      queue: attempt.position.queue,
      priority: attempt.position.priority,
      headers: spec.headers ?? {},
      attempt: attempt.state.attempt,
      fence: attempt.fence,
      get signal() {
        return run.signal;
      },
      progress: (percent, detail) => progress.set(percent, detail),
      advance: (delta, detail) => progress.advance(delta, detail),
      log: (text) => run.log(text),
      store: this.#with.store,
    };
  }

  /** Ends a handler whose attempt is over; its slot is free when it has ended. */
  #kill(run: AttemptRun, freeSlot: () => void): void {
    run.kill?.();
    run.handlerDone.then(freeSlot);
    this.#with.world.clock.after(KILL_MS_MAX, () => {
      if (!run.handlerEnded && this.#becomesZombie(run)) freeSlot();
    });
  }

  /** Gives an isolated handler a moment to stop, then ends it. Does not wait for it for ever. */
  async #endIsolated(run: AttemptRun): Promise<void> {
    const { clock } = this.#with.world;
    if (run.kill) await within(run.handlerDone, { ms: STOP_MS_MAX, clock });
    if (!run.kill) return;
    run.kill();
    await within(run.handlerDone, { ms: KILL_MS_MAX, clock });
  }

  /** The handler goes on although its attempt is over. Returns whether it leaves its slot. */
  #becomesZombie(run: AttemptRun): boolean {
    const { id, state, ready } = run.attempt;
    publish("etask:task:zombie", {
      id,
      name: ready.name,
      attempt: state.attempt,
      worker: this.#with.worker,
      why: run.aborted ?? "timeout",
      origin: run.task?.origin ?? "",
    });
    run.handlerDone.then(() => this.#stale(run.attempt, "late result"));
    const { slots } = this.#with;
    if (!slots.admitZombie()) return false;
    run.handlerDone.then(() => slots.zombieEnded());
    return true;
  }

  #record(run: AttemptRun, outcome: Outcome): Promise<boolean> {
    run.recorded ??= this.#commit(run, outcome);
    return run.recorded;
  }

  async #commit(run: AttemptRun, outcome: Outcome): Promise<boolean> {
    const { store, world, giveUp, hands } = this.#with;
    // How long a task is kept and what is its alone, a large one's ready entry does not say.
    if (!run.spec) await this.#spec(run).catch(() => {});
    const facts = this.#facts(run, await run.close());
    const attempt = run.ending;
    const ended = await endAttempt(store, attempt, outcome, facts, { world, signal: giveUp });
    if (ended) this.#finished(attempt, ended);
    else this.#stale(attempt, "outcome");
    const rest = [
      ...hands.ended(attempt.state.hand as number, ended !== undefined),
      ...(ended?.sweep ? [ended.sweep] : []),
    ];
    // Nothing depends on it: what stays behind is forgotten by the next rescuer or sweeper.
    if (rest.length > 0) store.commit(rest).catch(() => {});
    return ended !== undefined;
  }

  #facts(run: AttemptRun, also: readonly Write[]): FinishFacts {
    const { spec, specBytes, wish, attempt } = run;
    return {
      at: this.#with.world.clock.now(),
      sequence: this.#nextSequence(),
      retention: this.#retention(run),
      spec,
      specBytes,
      acknowledge: wish !== undefined,
      also: [...also, ...this.#with.hands.ending(attempt.state.hand as number)],
    };
  }

  #retention({ spec, task, attempt }: AttemptRun): RetentionRecord {
    if (spec?.retention) return spec.retention;
    if (task?.retention !== undefined) return resolveRetention(task.retention);
    return this.#with.settings.of(attempt.position.queue).record.retention ?? DEFAULT_RETENTION;
  }

  #finished({ id, ready, state }: Attempt, { kind }: Ended): void {
    publish("etask:task:finished", {
      id,
      name: ready.name,
      attempt: state.attempt,
      state: kind,
      worker: this.#with.worker,
    });
  }

  #stale({ id, state }: Attempt, what: string): void {
    publish("etask:task:stale", { id, attempt: state.attempt, worker: this.#with.worker, what });
  }
}

function parseInput(task: RegisteredTask, { name, input }: SpecRecord): Promise<unknown> {
  return parseWith(task.input, `input of ${name}`, input);
}

/** Why a handler is stopped as if it had not been started. */
const GIVEN_BACK: ReadonlySet<AbortReason> = new Set(["lease-lost", "shutdown", "preempted"]);

/** Whether the time of the task as a whole is over. */
function isOver({ deadlineAt }: SpecRecord, clock: Clock): boolean {
  return deadlineAt !== undefined && clock.now() >= deadlineAt;
}

/**
 * A thread or process that runs isolated tasks, one thing at a time.
 *
 * starting → idle ⇄ busy → ended. What is asked for while it starts is sent as soon as it is ready.
 * It may end in every state: because it is killed here (`kill`), because it died by itself, or
 * because code of the user's threw where nobody could catch it, upon which it is killed. Whatever
 * was asked for fails then, with what is known of the end. One that is not ready or has not loaded
 * a task in time is killed.
 *
 * If the worker dies, its threads die with it, and the guard of a process sees to its end.
 */
import { shownBytes } from "../../base/byte-size.ts";
import type { CancelTimer, Clock } from "../../base/clock.ts";
import { createDeferred, type Deferred } from "../../base/deferred.ts";
import { publish } from "../../base/events.ts";
import { type AbortReason, rebuildError, type TaskFailure } from "../../task/failure.ts";
import { MemoryLimitError, RunnerDiedError } from "./isolation-errors.ts";
import { startProcessRunner } from "./process-runner.ts";
import type { Answer, FromRunner, Report, RunCall, TaskPlace, ToRunner } from "./protocol.ts";
import type { RunnerBody, RunnerEnd } from "./runner-body.ts";
import { startThreadRunner } from "./thread-runner.ts";

const START_MS_MAX = 30_000;
const LOAD_MS_MAX = 60_000;

/** What a runner is. Runners of the same make can stand in for each other. */
export interface RunnerMake {
  readonly kind: "thread" | "process";
  readonly memoryBytes: number;
}

/** Why a runner was ended by the worker. */
export type KillReason = "recycled" | "idle" | "stopped" | "crashed" | "late" | "over";

interface Asked {
  readonly message: ToRunner;
  readonly answer: Deferred<Answer>;
  readonly report: (report: Report) => void;
}

/** See the essay above. */
export class Runner {
  readonly make: RunnerMake;
  readonly ended: Promise<void>;
  /** The names of the tasks that it has loaded. */
  readonly loaded: Set<string> = new Set();
  /** Attempts that ran here. */
  runs = 0;
  /** Memory after the last thing that it did. */
  usedBytes = 0;
  readonly #clock: Clock;
  readonly #body: RunnerBody;
  readonly #ended: Deferred<void> = createDeferred<void>();
  #ready = false;
  #asked: Asked | undefined;
  #abort: AbortReason | undefined;
  #killed: KillReason | undefined;
  #crash: TaskFailure | undefined;
  #end: RunnerEnd | undefined;
  #cancelTimer: CancelTimer;

  constructor(make: RunnerMake, clock: Clock) {
    this.make = make;
    this.#clock = clock;
    this.ended = this.#ended.promise;
    const start = make.kind === "thread" ? startThreadRunner : startProcessRunner;
    this.#body = start(make.memoryBytes, {
      message: (message) => this.#hear(message),
      ended: (end) => this.#over(end),
    });
    this.#cancelTimer = clock.after(START_MS_MAX, () => this.kill("late"));
    publish("etask:runner:started", { kind: make.kind, runner: this.#body.id });
  }

  /** Whether it can be asked for something. */
  get alive(): boolean {
    return this.#end === undefined && this.#killed === undefined;
  }

  /**
   * Loads a task. It may throw, and the answer says so.
   *
   * @throws RunnerDiedError, MemoryLimitError when the runner ends before it has answered.
   */
  async load(place: TaskPlace): Promise<Answer> {
    const cancel = this.#clock.after(LOAD_MS_MAX, () => this.kill("late"));
    try {
      const answer = await this.#ask({ kind: "load", place }, () => {});
      if (answer.kind === "loaded") this.loaded.add(place.name);
      return answer;
    } finally {
      cancel();
    }
  }

  /** Runs one attempt. @throws RunnerDiedError, MemoryLimitError when the runner ends before it. */
  async run(call: RunCall, report: (report: Report) => void): Promise<Answer> {
    this.runs += 1;
    return this.#ask({ kind: "run", call }, report);
  }

  /** Tells the handler that runs to stop, if one does. */
  abort(reason: AbortReason): void {
    if (!this.#asked) return;
    if (this.#ready) this.#body.send({ kind: "abort", reason });
    else this.#abort ??= reason;
  }

  /** Ends it, whatever it does; `ended` follows. The first reason stays. */
  kill(reason: KillReason): void {
    this.#killed ??= reason;
    if (this.#end === undefined) this.#body.kill();
  }

  #ask(message: ToRunner, report: (report: Report) => void): Promise<Answer> {
    const answer = createDeferred<Answer>();
    if (this.#end) return Promise.reject(this.#error(this.#end));
    this.#asked = { message, answer, report };
    this.#body.hold(true);
    if (this.#ready) this.#body.send(message);
    return answer.promise;
  }

  #hear(message: FromRunner): void {
    switch (message.kind) {
      case "ready":
        this.#ready = true;
        this.#begin();
        break;
      case "progress":
      case "log":
        this.#asked?.report(message);
        break;
      case "crashed":
        this.#crash ??= message.failure;
        this.kill("crashed");
        break;
      default:
        this.#answered(message);
    }
  }

  #begin(): void {
    this.#cancelTimer();
    if (this.#asked) this.#body.send(this.#asked.message);
    else this.#body.hold(false);
    if (this.#abort) this.abort(this.#abort);
  }

  #answered(answer: Answer): void {
    this.usedBytes = answer.usedBytes;
    this.#body.hold(false);
    const asked = this.#asked;
    this.#asked = undefined;
    asked?.answer.resolve(answer);
  }

  #over(end: RunnerEnd): void {
    this.#end = end;
    this.#cancelTimer();
    this.#asked?.answer.reject(this.#error(end));
    this.#asked = undefined;
    const { kind } = this.make;
    const why = this.#killed ?? (end.outOfMemory ? "memory" : "died");
    publish("etask:runner:ended", { kind, runner: this.#body.id, why, runs: this.runs });
    this.#ended.resolve();
  }

  #error(end: RunnerEnd): Error {
    const { kind, memoryBytes } = this.make;
    const name = `The ${kind} that ran the attempt`;
    if (this.#crash) {
      const { message } = this.#crash;
      const cause = rebuildError(this.#crash);
      return new RunnerDiedError(`${name} threw where nothing could catch it: ${message}`, {
        cause,
      });
    }
    if (this.#killed === "late") return new RunnerDiedError(`${name} was not ready in time.`);
    if (this.#killed) return new RunnerDiedError(`${name} was ended by its worker.`);
    const cause = end.cause === undefined ? {} : { cause: end.cause };
    if (!end.outOfMemory) return new RunnerDiedError(`${name} ${end.how}.`, cause);
    return new MemoryLimitError(
      `${name} ${end.how}; it may have ${shownBytes(memoryBytes)}. Use less at a time, or give ` +
        'the task more with isolate: { kind, memory: "1GiB" }.',
      cause,
    );
  }
}

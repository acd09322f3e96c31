/**
 * What a handler gets in a runner instead of the worker's context: the same members, of which the
 * store is missing, and whose reports go to the worker.
 *
 * A handler may report as often as it likes. Only the newest progress is kept, and of the log what
 * the task keeps anyway; both are sent at most every {@link PERIOD_MS}, also while the handler
 * never yields, and once more at its end. What it says after its end is ignored.
 */
import type { CancelTimer, Clock } from "../../base/clock.ts";
import type { TaskContext } from "../../task/context.ts";
import { requireLogText } from "../../task/log.ts";
import { clampPercent, requireDetail, requirePercent } from "../../task/progress.ts";
import type { AttemptAbort } from "../attempt-abort.ts";
import { NotInRunnerError } from "./isolation-errors.ts";
import type { Report, RunCall } from "./protocol.ts";

const PERIOD_MS = 50;
const LOG_LENGTH_MAX = 131_072;

type Progress = Extract<Report, { kind: "progress" }>;

/** See the essay above. */
export class RunnerContext {
  readonly #send: (report: Report) => void;
  readonly #clock: Clock;
  #latest: Progress | undefined;
  #progressUnsent = false;
  readonly #lines: string[] = [];
  #logLength = 0;
  #sentAt = Number.NEGATIVE_INFINITY;
  #cancelTimer: CancelTimer | undefined;
  #closed = false;

  constructor(send: (report: Report) => void, clock: Clock) {
    this.#send = send;
    this.#clock = clock;
  }

  /** What the handler is given. */
  of(call: RunCall, abort: AttemptAbort): TaskContext {
    const { id, name, queue, priority, headers, attempt, fence } = call;
    return {
      ...{ id, name, queue, priority, headers, attempt, fence },
      get signal() {
        return abort.signal;
      },
      get store(): never {
        throw new NotInRunnerError(
          `ctx.store is not there in an isolated runner. Open a store in the handler of ${name}, or ` +
            'let the task run with isolate: "inline".',
        );
      },
      progress: (percent, detail) => this.#progress(percent, detail),
      advance: (delta, detail) => {
        const percent = (this.#latest?.percent ?? 0) + requirePercent(delta);
        this.#progress(percent, detail ?? this.#latest?.detail);
      },
      log: (text) => this.#add(text),
    };
  }

  /** Sends what is left. From now on the handler says nothing more. */
  close(): void {
    this.#closed = true;
    this.#flush();
  }

  #progress(percent: number, detail: unknown): void {
    requireDetail(detail);
    this.#latest = {
      kind: "progress",
      percent: clampPercent(percent),
      // As JSON would have it: what has a toJSON method would not survive the way to the worker.
      ...(detail === undefined ? undefined : { detail: JSON.parse(JSON.stringify(detail)) }),
    };
    this.#progressUnsent = true;
    this.#flushSoon();
  }

  #add(text: string): void {
    requireLogText(text);
    if (this.#closed) return;
    const line = (text.endsWith("\n") ? text : `${text}\n`).slice(-LOG_LENGTH_MAX);
    this.#lines.push(line);
    this.#logLength += line.length;
    while (this.#logLength > LOG_LENGTH_MAX) this.#logLength -= this.#lines.shift()?.length ?? 0;
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#closed) return;
    const dueMs = this.#sentAt + PERIOD_MS - this.#clock.monotonic();
    if (dueMs <= 0) this.#flush();
    else this.#cancelTimer ??= this.#clock.after(dueMs, () => this.#flush());
  }

  #flush(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#sentAt = this.#clock.monotonic();
    if (this.#progressUnsent && this.#latest) this.#send(this.#latest);
    const text = this.#lines.splice(0).join("");
    if (text !== "") this.#send({ kind: "log", text });
    this.#progressUnsent = false;
    this.#logLength = 0;
  }
}

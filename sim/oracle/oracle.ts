/** Everything that is checked after every revision, and at the end. */
import type { WatchBatch } from "../../src/store/store.ts";
import { currentState } from "../../src/task/current.ts";
import { isFinal } from "../../src/task/state.ts";
import type { Ledger } from "../world/ledger.ts";
import { AttemptCheck } from "./attempt-check.ts";
import type { Finding } from "./finding.ts";
import { HistoryCheck, type TaskNow } from "./history-check.ts";
import { IdentityCheck, type Moment } from "./identity-check.ts";
import { OrderCheck } from "./order-check.ts";
import { ScheduleCheck } from "./schedule-check.ts";
import { TimeCheck } from "./time-check.ts";
import { WatchCheck } from "./watch-check.ts";

/** See above. */
export class Oracle {
  /** The first thing that was found, and whatever else until the run was stopped. */
  readonly findings: Finding[] = [];
  readonly history = new HistoryCheck();
  readonly attempts: AttemptCheck;
  readonly #identity: IdentityCheck;
  readonly schedules = new ScheduleCheck(this.history);
  readonly #times: TimeCheck;
  readonly #watches: WatchCheck;
  readonly #order = new OrderCheck();
  readonly #ordered: boolean;
  #ends = 0;

  constructor(ledger: Ledger, { ordered }: { readonly ordered: boolean }) {
    this.#ordered = ordered;
    this.attempts = new AttemptCheck(this.history, ledger);
    this.#identity = new IdentityCheck(this.history, ledger);
    this.#times = new TimeCheck(ledger);
    this.#watches = new WatchCheck(ledger);
  }

  /** How often a task ended. */
  get ends(): number {
    return this.#ends;
  }

  /** Judges one revision, made while clocks were up to `skewMs` apart. */
  step(batch: WatchBatch, when: Moment, skewMs: number): void {
    this.#identity.before(batch, when);
    const steps = this.history.step(batch);
    this.attempts.step(batch, steps);
    this.schedules.step(batch);
    this.#times.step(batch, steps, when.at, skewMs);
    this.#watches.step(batch, steps);
    if (this.#ordered) this.#order.step(batch, when.at);
    for (const { next } of steps) if (next && isFinal(next.state)) this.#ends += 1;
    this.collect();
  }

  /** Judges what can only be judged at the end. */
  finish(): void {
    this.#identity.finish();
    this.#watches.finish();
    this.collect();
  }

  /** Tasks that have not ended. */
  open(): string[] {
    return [...this.history.tasks].filter(([, task]) => isOpen(task)).map(([id]) => id);
  }

  /** Takes over what the single checks found. */
  collect(): void {
    const checks = [
      this.history,
      this.attempts,
      this.#identity,
      this.schedules,
      this.#times,
      this.#watches,
      this.#order,
    ];
    for (const { findings } of checks) {
      if (findings.length > 0) this.findings.push(...findings.splice(0));
    }
  }
}

function isOpen({ spec, state }: TaskNow): boolean {
  return spec !== undefined && !isFinal(currentState(spec, state).state);
}

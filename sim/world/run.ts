/**
 * Runs a plan: first everything at once, with whatever goes wrong; then peace, in which all that
 * was accepted must end; then, when retention is over, nothing may be left.
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { isEtaskError } from "../../src/base/errors.ts";
import type { Events } from "../../src/base/events.ts";
import { prefixRange } from "../../src/store/range.ts";
import { isHeartbeatKey, LEADER_KEY } from "../../src/task/keyspace.ts";
import { chanceFor } from "../engine/chance.ts";
import { EPOCH_MS } from "../engine/life-clock.ts";
import { Scheduler } from "../engine/scheduler.ts";
import { Trace } from "../engine/trace.ts";
import { NO_FAULTS } from "../network/faults.ts";
import { CALL_MS_MAX, LATE_MS_MAX, Network } from "../network/network.ts";
import type { Finding } from "../oracle/finding.ts";
import { Oracle } from "../oracle/oracle.ts";
import { Actor } from "./actor.ts";
import { type Act, type Doer, perform } from "./acts.ts";
import { Incidents } from "./incidents.ts";
import { Ledger } from "./ledger.ts";
import { isOrdered, type Plan, QUEUES, type Step } from "./plan.ts";

/** What came of a run. */
export interface Report {
  readonly plan: Plan;
  /** Equal for runs that did the same. */
  readonly digest: string;
  /** The first one is the one to look at. */
  readonly findings: readonly Finding[];
  readonly trace: Trace;
  readonly events: number;
  readonly revisions: number;
  readonly tasks: number;
  readonly takes: number;
  readonly ends: number;
  readonly virtualMs: number;
  readonly faults: ReadonlyMap<string, number>;
}

const PEACE_MS_MAX = 400_000;
const CLEAN_MS_MAX = 600_000;
const STOP_MS_MAX = 120_000;
/** How often it is looked whether what is waited for is so. */
const LOOK_MS = 500;
const LATE_TICK_MS = 3_000;
/** The world ends here, whatever goes on in it. */
const EVENTS_MAX = 400_000;
/** What stays when all tasks are gone. */
const LASTING = ["meta", "queue/", "schedule/"];

/** See the essay above. */
export async function runPlan(plan: Plan): Promise<Report> {
  const world = new World(plan);
  const errors = noteErrors(world);
  try {
    await world.run();
  } finally {
    errors[Symbol.dispose]();
  }
  return world.report();
}

class World {
  readonly #plan: Plan;
  readonly #trace = new Trace();
  readonly #scheduler: Scheduler;
  readonly #network: Network;
  readonly #ledger = new Ledger();
  readonly #oracle: Oracle;
  readonly #actors = new Map<string, Actor>();
  readonly #incidents: Incidents;
  /** Acts under way, but for waits, by the life that does them. */
  readonly #doing = new Map<Promise<void>, string>();

  constructor(plan: Plan) {
    const { seed } = plan;
    this.#plan = plan;
    this.#oracle = new Oracle(this.#ledger, { ordered: isOrdered(plan) });
    this.#scheduler = new Scheduler(chanceFor(seed, "order"), this.#trace);
    this.#network = new Network(this.#scheduler, chanceFor(seed, "network"));
    const world = { seed, network: this.#network, ledger: this.#ledger };
    for (const { name, role } of plan.cast) this.#actors.set(name, new Actor(world, name, role));
    this.#incidents = new Incidents(this.#network, this.#actors, chanceFor(seed, "incidents"));
    this.#network.storage.listen((batch) => {
      const when = { at: this.#scheduler.now, late: this.#network.writer?.late === true };
      this.#oracle.step(batch, when, this.#incidents.skewMsMax);
    });
    this.#ledger.isCompacted = (revision) => revision < this.#network.storage.compactRevision;
    this.#ledger.onRun = (run) => this.#oracle.attempts.started(run);
  }

  /** Something that must not happen at all. */
  fail(invariant: Finding["invariant"], subject: string, what: string): void {
    this.#oracle.findings.push({ invariant, revision: 0, subject, what });
  }

  report(): Report {
    return {
      plan: this.#plan,
      findings: this.#oracle.findings,
      trace: this.#trace,
      digest: this.#trace.digest(),
      events: this.#scheduler.handled,
      revisions: this.#network.storage.revision,
      tasks: this.#ledger.orders.length,
      takes: this.#oracle.attempts.takes,
      ends: this.#oracle.ends,
      virtualMs: this.#scheduler.now,
      faults: this.#network.faults,
    };
  }

  async run(): Promise<void> {
    await this.#busy();
    if (!this.#over()) await this.#peace();
    if (!this.#over() && this.#plan.clean) await this.#clean();
    if (!this.#over()) this.#oracle.finish();
  }

  #over(): boolean {
    if (this.#scheduler.handled > EVENTS_MAX && this.#oracle.findings.length === 0) {
      this.fail("I15", "world", `it did not come to rest within ${EVENTS_MAX} events`);
    }
    return this.#oracle.findings.length > 0;
  }

  async #until(ms: number, holds: () => boolean): Promise<boolean> {
    const end = this.#scheduler.now + ms;
    const over = () => this.#over();
    while (this.#scheduler.now < end && !over() && !holds()) {
      await this.#scheduler.run(Math.min(end, this.#scheduler.now + LOOK_MS), over);
    }
    return holds();
  }

  async #busy(): Promise<void> {
    const { busyMs, rates, steps, incidents } = this.#plan;
    this.#network.rates = rates;
    for (const actor of this.#actors.values()) {
      this.#scheduler.after(0, () => actor.start());
    }
    for (const step of steps) this.#scheduler.after(step.at, () => this.#do(step));
    for (const incident of incidents) {
      this.#scheduler.after(incident.at, () => this.#incidents.happen(incident));
    }
    await this.#until(busyMs, () => false);
  }

  #do({ actor: name, act }: Step): void {
    const actor = this.#actors.get(name);
    const { app, clock, process } = actor ?? {};
    if (!app || !clock || !process) return;
    const doer: Doer = {
      app,
      clock,
      process: process.name,
      ledger: this.#ledger,
      note: (what) => this.#scheduler.note(`${process.name} ${what}`),
      also: (more) => this.#begin(more, doer),
    };
    this.#begin(act, doer);
  }

  #begin(act: Act, doer: Doer): void {
    const doing = perform(act, doer)
      .catch((error: unknown) => {
        this.fail("I15", doer.process, `${act.kind} threw ${stackOf(error)}`);
      })
      .finally(() => this.#doing.delete(doing));
    if (act.kind !== "wait") this.#doing.set(doing, doer.process);
  }

  async #peace(): Promise<void> {
    this.#scheduler.note("peace");
    this.#network.rates = NO_FAULTS;
    this.#incidents.heal();
    for (const actor of this.#actors.values()) actor.start();
    // What was begun before, a pause of a queue for one, may come about only now, or once more.
    const ready = () => this.#incidents.over && this.#allUp() && !this.#busyLives();
    await this.#until(PEACE_MS_MAX, ready);
    const underWayMs = this.#plan.rates.late > 0 ? CALL_MS_MAX + LATE_MS_MAX : 0;
    await this.#until(underWayMs, () => false);
    const late = () => this.#oracle.schedules.late(EPOCH_MS + this.#scheduler.now, LATE_TICK_MS);
    await this.#until(PEACE_MS_MAX, () => late().length === 0);
    for (const name of late()) this.fail("I10", name, "it has an instant that is not dealt with");
    if (this.#over()) return;
    const [app] = [...this.#actors.values()].flatMap((actor) => actor.app ?? []);
    if (!app) return this.fail("I15", "world", "no process has started");
    const opened = Promise.all(QUEUES.map((queue) => app.queues.resume(queue)));
    const quiet = app.schedules.list().then(async ({ schedules }) => {
      for (const { name } of schedules) await app.schedules.remove(name);
    });
    await this.#settled(Promise.all([opened, quiet]), PEACE_MS_MAX, "queues cannot be resumed");
    const atRest = () => this.#oracle.open().length === 0 && this.#waiting().length === 0;
    if (await this.#until(PEACE_MS_MAX, atRest)) return;
    for (const id of this.#oracle.open()) this.fail("I15", id, "it does not end");
    for (const { id, process, from } of this.#waiting()) {
      this.fail("I15", id, `${process} waits for its end since ${from.toFixed(0)}`);
    }
  }

  async #clean(): Promise<void> {
    this.#scheduler.note("clean");
    const world = { seed: this.#plan.seed, network: this.#network, ledger: this.#ledger };
    const janitor = new Actor(world, "janitor", { kind: "beat" });
    janitor.start();
    const stopped = Promise.all([...this.#actors.values()].map((actor) => actor.retire()));
    await this.#settled(stopped, STOP_MS_MAX, "a process does not stop");
    await this.#until(CLEAN_MS_MAX, () => this.#left().every((key) => key === LEADER_KEY));
    await this.#settled(janitor.retire(), STOP_MS_MAX, "a process does not stop");
    if (this.#over()) return;
    for (const key of this.#left()) this.fail("I14", key, "it is left");
  }

  async #settled(promise: Promise<unknown>, ms: number, what: string): Promise<void> {
    let settled = false;
    promise.then(
      () => {
        settled = true;
      },
      (error: unknown) => this.fail("I15", "world", `${what}: ${stackOf(error)}`),
    );
    const done = await this.#until(ms, () => settled);
    if (!done && !this.#over()) this.fail("I15", "world", what);
  }

  /** Whether a process that lives is still about what it was asked for. */
  #busyLives(): boolean {
    const lives = new Set(this.#lives());
    return [...this.#doing.values()].some((life) => lives.has(life));
  }

  #lives(): string[] {
    const living = [...this.#actors.values()].filter(({ alive }) => alive);
    return living.flatMap(({ process }) => process?.name ?? []);
  }

  #allUp(): boolean {
    return [...this.#actors.values()].every((actor) => actor.app !== undefined);
  }

  #waiting() {
    const lives = new Set(this.#lives());
    return this.#ledger.waits.filter(
      ({ outcome, process }) => outcome === undefined && lives.has(process),
    );
  }

  #left(): string[] {
    const { entries } = this.#network.storage.range(prefixRange(""), {});
    return entries
      .map(({ key }) => key)
      .filter((key) => !isHeartbeatKey(key) && !LASTING.some((known) => key.startsWith(known)));
  }
}

/** Whatever a loop survives must be a failure of the store, and not of the program. */
function noteErrors(world: World): Disposable {
  const failed = (event: unknown) => {
    const { loop, error } = event as Events["etask:loop:failed"];
    if (!isEtaskError(error)) world.fail("I15", loop, `it threw ${stackOf(error)}`);
  };
  const unhandled = (error: unknown) => {
    world.fail("I15", "process", `nobody handled ${stackOf(error)}`);
  };
  subscribe("etask:loop:failed", failed);
  process.on("unhandledRejection", unhandled);
  return {
    [Symbol.dispose]: () => {
      unsubscribe("etask:loop:failed", failed);
      process.off("unhandledRejection", unhandled);
    },
  };
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

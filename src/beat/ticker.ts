/**
 * Makes the tasks of schedules when their instants come.
 *
 * A schedule is one record under `schedule/`: what to run, when it runs next, which runs wait. The
 * ticker follows all of them and sleeps until the first is due. An instant is one part: held while
 * the record is as it was read and no task of the instant's id exists, it moves the record on and
 * makes the task. So an instant makes one task, whatever happens:
 *
 * 1. Two tickers at once: the record changes under one of them; it reads on from what the other
 *    wrote.
 * 2. A process dies before the commit: the record still says what is due, and the next leader does
 *    it. After the commit: it is done. There is nothing in between.
 * 3. A lost answer: the part is sent again, and its task tells whether it had been applied.
 * 4. A task of that id exists already: the record moves on without a second one.
 * 5. The task is to be unique and another one has its key: the record moves on, and the instant is
 *    left out.
 * 6. The clock goes back: what was dealt with is in the record, and an instant before it never
 *    comes again. The clock jumps ahead, or no Beat ran for a while: what is more than 10 s late
 *    was missed, and the schedule's policy says what is made up for.
 *
 * While a run waits for an earlier one, the states of the earlier ones are read every
 * {@link LOOK_MS}. `cancelOther` is that too: the newest instant waits, and those before it are
 * cancelled, again by the next leader if this one dies in between, which is harmless.
 *
 * When the store accepts no new tasks, instants stay due and are tried again. When it is away the
 * loop around this one starts it again with a fresh list. A record that is damaged, or that names a
 * time zone unknown here, is reported and left alone until it changes.
 */
import { publish } from "../base/events.ts";
import { createIdSource, type IdSource } from "../base/ids.ts";
import type { LoopWorld } from "../base/loop.ts";
import { Wakeup } from "../base/wakeup.ts";
import { cancelTask } from "../broker/cancel.ts";
import { dropClaimPart, holderOf } from "../broker/claim-holder.ts";
import { follow } from "../coordination/follower.ts";
import { type StoredSchedule, storedOf } from "../schedule/change-schedule.ts";
import {
  hasBuffered,
  isDue,
  leftOut,
  nextStep,
  runsInTheWay,
  type Step,
} from "../schedule/next-step.ts";
import { isScheduleName } from "../schedule/resolve-schedule.ts";
import { advancePart, runPart } from "../schedule/run-part.ts";
import { type RunNow, readRuns } from "../schedule/runs.ts";
import { InvalidScheduleError } from "../schedule/schedule-errors.ts";
import { decodeSchedule } from "../schedule/schedule-record.ts";
import type { Part } from "../store/part.ts";
import type { Entry, PartResult, Revision, Store, WatchBatch } from "../store/store.ts";
import { TaskNotFoundError } from "../task/failure.ts";
import { SCHEDULES_RANGE, scheduleOfKey } from "../task/keyspace.ts";
import { readOr } from "../task/task-reader.ts";

const SLEEP_MS_MAX = 1_000;
/** How often the runs are looked at that others wait for. */
const LOOK_MS = 500;
const REFUSED_MS = 1_000;
/**
 * Steps of one schedule before others have their turn, and schedules that are dealt with at once.
 */
const STEPS_MAX = 8;
const SCHEDULES_AT_ONCE = 64;

interface Followed {
  readonly stored: StoredSchedule;
  /** On the monotonic clock: when to look again at the runs that others wait for. */
  readonly lookAt: number;
  /** On the monotonic clock: nothing is done before. */
  readonly notBefore: number;
}

/** Ticks until `signal` aborts; throws what the store throws. */
export async function runTicker(
  store: Store,
  world: LoopWorld,
  signal: AbortSignal,
): Promise<void> {
  const ended = new AbortController();
  const ends = AbortSignal.any([signal, ended.signal]);
  const ticker = new Ticker(store, world);
  const end = () => ended.abort();
  await Promise.all([
    follow(store, SCHEDULES_RANGE, ticker, ends, world.clock).finally(end),
    ticker.run(ends).finally(end),
  ]);
}

class Ticker {
  readonly #store: Store;
  readonly #world: LoopWorld;
  readonly #nextSequence: IdSource;
  readonly #wakeup = new Wakeup();
  readonly #schedules = new Map<string, Followed>();

  constructor(store: Store, world: LoopWorld) {
    this.#store = store;
    this.#world = world;
    this.#nextSequence = createIdSource(world.clock, world.random);
  }

  reset(entries: readonly Entry[]): void {
    this.#schedules.clear();
    for (const entry of entries) this.#see(entry);
    this.#wakeup.ring();
  }

  apply({ events }: WatchBatch): void {
    for (const event of events) {
      if (event.type === "put") this.#see(event.entry);
      else this.#forget(scheduleOfKey(event.key), event.modRevision);
    }
    if (events.length > 0) this.#wakeup.ring();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#world;
    while (!signal.aborted) {
      const due = [...this.#schedules.values()].filter((each) => this.#mayStep(each));
      for (let at = 0; at < due.length && !signal.aborted; at += SCHEDULES_AT_ONCE) {
        const some = due.slice(at, at + SCHEDULES_AT_ONCE);
        await Promise.all(some.map((each) => this.#advance(each, signal)));
      }
      const cancel = clock.after(this.#sleepMs(), () => this.#wakeup.ring());
      await this.#wakeup.wait(signal);
      cancel();
    }
  }

  #see(entry: Entry): void {
    const name = scheduleOfKey(entry.key);
    const known = this.#schedules.get(name);
    // What this ticker wrote itself arrives here later.
    if (!isScheduleName(name) || (known && known.stored.revision >= entry.modRevision)) return;
    if (readOr(entry, decodeSchedule)) {
      this.#schedules.set(name, { stored: storedOf(name, entry), lookAt: 0, notBefore: 0 });
    } else this.#schedules.delete(name);
  }

  #forget(name: string, revision: Revision): void {
    const known = this.#schedules.get(name);
    if (known && known.stored.revision < revision) this.#schedules.delete(name);
  }

  /** Goes on from `stored`, unless the watch was faster. */
  #remember(stored: StoredSchedule, when: Partial<Followed> = {}): Followed | undefined {
    const known = this.#schedules.get(stored.name);
    if (!known || known.stored.revision > stored.revision) return known;
    const followed = { lookAt: 0, notBefore: 0, ...when, stored };
    this.#schedules.set(stored.name, followed);
    return followed;
  }

  #mayStep({ stored: { record }, lookAt, notBefore }: Followed): boolean {
    const now = this.#world.clock.monotonic();
    if (now < notBefore) return false;
    return isDue(record, this.#world.clock.now()) || (hasBuffered(record) && now >= lookAt);
  }

  /** Until something may be due, at most {@link SLEEP_MS_MAX}: the wall clock may jump. */
  #sleepMs(): number {
    const { clock } = this.#world;
    const [wall, now] = [clock.now(), clock.monotonic()];
    let ms = SLEEP_MS_MAX;
    for (const { stored, lookAt, notBefore } of this.#schedules.values()) {
      const { nextTick, paused } = stored.record;
      if (paused) continue;
      const waits = [
        ...(nextTick === undefined ? [] : [nextTick - wall]),
        ...(hasBuffered(stored.record) ? [lookAt - now] : []),
      ];
      if (waits.length > 0) ms = Math.min(ms, Math.max(notBefore - now, Math.min(...waits)));
    }
    return Math.max(0, ms);
  }

  async #advance(first: Followed, signal: AbortSignal): Promise<void> {
    let followed: Followed | undefined = first;
    try {
      for (let steps = 0; followed && steps < STEPS_MAX && !signal.aborted; steps += 1) {
        if (!this.#mayStep(followed)) return;
        followed = await this.#step(followed);
      }
    } catch (error) {
      if (!(error instanceof InvalidScheduleError)) throw error;
      const { name } = first.stored;
      publish("etask:record:malformed", { key: `schedule/${name}`, reason: error.message });
      this.#remember(followed?.stored ?? first.stored, { notBefore: Number.POSITIVE_INFINITY });
    }
  }

  /** Takes one step; `undefined` when the schedule is gone. */
  async #step({ stored }: Followed): Promise<Followed | undefined> {
    const { clock } = this.#world;
    const { name, record } = stored;
    const runs = await readRuns(this.#store, record.runs);
    const step = nextStep(name, record, runs, clock.now());
    if (!step) {
      const cancels = record.definition.overlap === "cancelOther" && hasBuffered(record);
      const gone = cancels && (await this.#cancel(name, runsInTheWay(record, runs)));
      return this.#remember(stored, { lookAt: clock.monotonic() + (gone ? 0 : LOOK_MS) });
    }
    const part =
      step.kind === "run"
        ? runPart(stored, step.next, step.run, { sequence: this.#nextSequence(), now: clock.now() })
        : advancePart(stored, step.next);
    const result = await this.#commit(part);
    if (!result.applied) return this.#refused(stored, step, result);
    this.#tell(name, step);
    return this.#remember({ name, record: step.next, revision: result.revision });
  }

  /**
   * What a refusal found says why: the schedule changed, the task exists, its key is another
   * one's, or no task is accepted.
   */
  async #refused(
    stored: StoredSchedule,
    step: Step,
    { reads }: PartResult,
  ): Promise<Followed | undefined> {
    const { name } = stored;
    const schedule = reads[step.kind === "run" ? 1 : 0];
    if (schedule?.modRevision !== stored.revision) {
      const changed = schedule && readOr(schedule, decodeSchedule);
      if (changed) return this.#remember(storedOf(name, schedule));
      this.#schedules.delete(name);
      return undefined;
    }
    const claim = reads[3];
    if (step.kind === "run" && claim && !reads[0]) return this.#notUnique(stored, step, claim);
    if (step.kind === "run" && reads[0]) {
      const { applied, revision } = await this.#commit(advancePart(stored, step.next, step.run.id));
      if (applied) return this.#remember({ name, record: step.next, revision });
    }
    return this.#remember(stored, { notBefore: this.#world.clock.monotonic() + REFUSED_MS });
  }

  async #notUnique(
    stored: StoredSchedule,
    run: Step & { kind: "run" },
    claim: Entry,
  ): Promise<Followed | undefined> {
    if (!(await holderOf(this.#store, claim, this.#world.clock.now()))) {
      await this.#commit(dropClaimPart(claim));
      return this.#remember(stored);
    }
    const { name, record } = stored;
    const step = leftOut(record, run);
    const { applied, revision } = await this.#commit(advancePart(stored, step.next));
    if (!applied) return this.#remember(stored);
    this.#tell(name, step);
    return this.#remember({ name, record: step.next, revision });
  }

  async #commit(part: Part): Promise<PartResult> {
    const [result] = await this.#store.commit([part]);
    return result as PartResult;
  }

  /** Whether all of them have ended: those that run have to obey first. */
  async #cancel(name: string, runs: readonly RunNow[]): Promise<boolean> {
    let gone = true;
    for (const { id } of runs) {
      try {
        const reason = `The next run of the schedule ${name} is due.`;
        const { outcome } = await cancelTask(this.#store, this.#world, id, { reason, by: "beat" });
        gone &&= outcome === "cancelled" || outcome === "ended";
      } catch (error) {
        if (!(error instanceof TaskNotFoundError)) throw error;
      }
    }
    return gone;
  }

  #tell(schedule: string, step: Step): void {
    if (step.kind === "run") {
      const { tick, id } = step.run;
      const lateMs = this.#world.clock.now() - tick;
      publish("etask:schedule:ticked", { schedule, tick, id, lateMs });
      return;
    }
    for (const tick of step.skipped) {
      publish("etask:schedule:skipped", { schedule, tick, why: step.why });
    }
  }
}

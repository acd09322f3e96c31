import { tickId } from "../../src/schedule/run-part.ts";
import { decodeSchedule, type ScheduleRecord } from "../../src/schedule/schedule-record.ts";
import type { WatchBatch, WatchEvent } from "../../src/store/store.ts";
import { decodeSpec } from "../../src/task/decode.ts";
import { isHeartbeatKey, parseTaskKey, scheduleOfKey } from "../../src/task/keyspace.ts";
import type { Finding } from "./finding.ts";
import type { HistoryCheck } from "./history-check.ts";

/** A schedule passes every instant once, and makes a task for it or counts it as left out. */
export class ScheduleCheck {
  readonly findings: Finding[] = [];
  readonly #history: HistoryCheck;
  readonly #schedules = new Map<string, ScheduleRecord>();
  /** When the rhythm of each was given, where that was not when it was made. */
  readonly #since = new Map<string, number>();

  constructor(history: HistoryCheck) {
    this.#history = history;
  }

  /** Schedules whose next instant passed more than `lateMs` before the true time `now`. */
  late(now: number, lateMs: number): string[] {
    return [...this.#schedules]
      .filter(
        ([, { nextTick, paused }]) => !paused && nextTick !== undefined && nextTick < now - lateMs,
      )
      .map(([name]) => name);
  }

  /** Judges one revision. */
  step({ revision, events }: WatchBatch): void {
    for (const event of events) {
      if (!event.key.startsWith("schedule/") || isHeartbeatKey(event.key)) continue;
      const name = scheduleOfKey(event.key);
      const before = this.#schedules.get(name);
      this.#schedules.delete(name);
      if (event.type === "delete") {
        this.#since.delete(name);
        continue;
      }
      const next = decodeSchedule(event.entry.value);
      this.#schedules.set(name, next);
      if (before) this.#checkStep(revision, name, before, next, events);
    }
  }

  #checkStep(
    revision: number,
    name: string,
    before: ScheduleRecord,
    next: ScheduleRecord,
    events: readonly WatchEvent[],
  ): void {
    const find = (what: string) => {
      this.findings.push({ invariant: "I10", revision, subject: name, what });
    };
    const { everyMs } = next.definition.rhythm as { everyMs?: number };
    // A new rhythm begins when it was given.
    const since = this.#since.get(name) ?? before.createdAt;
    const from = Math.max(before.lastTick ?? 0, since);
    const to = next.lastTick ?? next.createdAt;
    if (to < (before.lastTick ?? 0)) find(`it went back to ${to}`);
    const made = events.filter((event) => isRunOf(name, event)).length;
    // The task of an instant may be there already, when the schedule was made anew since.
    const there = this.#history.tasks.has(tickId(name, to)) ? 1 : 0;
    const counted = next.fired - before.fired;
    if (counted < made || counted > made + there)
      find(`it counts ${counted} runs and made ${made}`);
    const same = rhythmOf(before) === rhythmOf(next);
    if (!same) this.#since.set(name, next.updatedAt);
    if (
      !same ||
      everyMs === undefined ||
      next.lastTick === before.lastTick ||
      before.paused ||
      next.paused
    )
      return;
    const instants = Math.floor(to / everyMs) - Math.floor(from / everyMs);
    const passed = count(next) - count(before);
    if (passed !== instants) find(`it passed ${instants} instants and counts ${passed}`);
  }
}

function rhythmOf({ definition }: ScheduleRecord): string {
  return JSON.stringify(definition.rhythm);
}

function count({ fired, skipped, buffered }: ScheduleRecord): number {
  return fired + skipped + buffered.length;
}

function isRunOf(name: string, event: WatchEvent): boolean {
  if (event.type !== "put" || parseTaskKey(event.key)?.part !== "spec") return false;
  return event.entry.version === 1 && decodeSpec(event.entry.value).schedule?.name === name;
}

/** Schedules in words. */
import type { ScheduleView } from "../schedule/schedule-view.ts";
import { durationText, type Output, printable } from "./output.ts";

/** When a schedule runs, in few words. */
export function whenText({ every, cron, at, timeZone }: ScheduleView): string {
  if (every !== undefined) return `every ${durationText(every)}`;
  return cron === undefined ? `at ${timeText(at)}` : `${cron} ${timeZone}`;
}

/** An instant; schedules run at whole seconds but for intervals and one-offs that say otherwise. */
export function timeText(time: Date | undefined): string | undefined {
  return time?.toISOString().replace(".000Z", "Z");
}

/** Says everything that is known of a schedule. */
export function saySchedule(output: Output, schedule: ScheduleView): void {
  if (output.json) {
    output.record(schedule);
    return;
  }
  for (const [name, text] of linesOf(schedule)) output.line(`${name.padEnd(12)}${printable(text)}`);
  for (const { tick, id, state, triggered } of schedule.runs) {
    const how = triggered ? ", triggered" : "";
    output.line(printable(`${"run".padEnd(12)}${timeText(tick)}  ${state}${how}  ${id}`));
  }
}

function linesOf(schedule: ScheduleView): [string, string][] {
  const { dst, jitter, catchUp, paused, declared, headers, buffered } = schedule;
  const facts: Record<string, string | undefined> = {
    name: schedule.name,
    task: schedule.task,
    input: jsonText(schedule.input),
    when: whenText(schedule),
    dst: dst && `missing times ${dst.missing}, repeated times ${dst.repeated}`,
    jitter: jitter === 0 ? undefined : durationText(jitter),
    start: timeText(schedule.start),
    end: timeText(schedule.end),
    overlap: schedule.overlap,
    "catch-up": typeof catchUp === "number" ? durationText(catchUp) : catchUp,
    queue: schedule.queue,
    unique: schedule.unique,
    priority: String(schedule.priority),
    headers: Object.keys(headers).length === 0 ? undefined : jsonText(headers),
    "expires in": schedule.expiresIn === undefined ? undefined : durationText(schedule.expiresIn),
    "only when": whenHostText(schedule),
    timeout: jsonText(schedule.timeout),
    retry: jsonText(schedule.retry),
    retention: jsonText(schedule.retention),
    declared: declared && `by the app ${declared.app}, version ${declared.version}`,
    paused: paused && pauseText(paused),
    "next run": timeText(schedule.nextRun),
    fired: String(schedule.fired),
    skipped: String(schedule.skipped),
    waiting: buffered.length === 0 ? undefined : buffered.map(timeText).join(" "),
  };
  return Object.entries(facts).flatMap(([name, text]) =>
    text === undefined ? [] : [[name, text]],
  );
}

function whenHostText({ when, preempt }: ScheduleView): string | undefined {
  return when === "idle" ? `idle${preempt ? ", given back for others" : ""}` : undefined;
}

function pauseText({ at, by, reason }: NonNullable<ScheduleView["paused"]>): string {
  const who = by === undefined ? "" : ` by ${by}`;
  return `since ${timeText(at)}${who}${reason === undefined ? "" : `: ${reason}`}`;
}

function jsonText(value: unknown): string | undefined {
  return value === undefined ? undefined : JSON.stringify(value);
}

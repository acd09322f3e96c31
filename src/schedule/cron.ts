/** Cron expressions as patterns of wall-clock time; zones come later, in `cron-ticks.ts`. */
import { Cron } from "croner";
import { shown } from "../base/options.ts";
import { InvalidScheduleError } from "./schedule-errors.ts";

/**
 * A cron expression that was understood. Wall-clock times are numbers: the milliseconds that the
 * same date and time would have in UTC.
 */
export interface CronPattern {
  /**
   * The first wall-clock time at or after `wall` that matches; `undefined` beyond the year 9999.
   */
  atOrAfter(wall: number): number | undefined;
  /** Whether a wall-clock time matches. */
  matches(wall: number): boolean;
  /**
   * The hour is a wildcard or a step of one, so the pattern means real time that goes on and not
   * hours of a day.
   */
  readonly everyHour: boolean;
}

const FIELDS = ["second", "minute", "hour", "day of month", "month", "day of week"] as const;
const EXPRESSION_LENGTH_MAX = 200;
const PATTERNS_MAX = 1_000;
const NICKNAMES: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};

const patterns = new Map<string, CronPattern>();

/**
 * Reads a cron expression: five fields (minute, hour, day of month, month, day of week), six with
 * seconds first, or a nickname such as `@daily`.
 *
 * @throws InvalidScheduleError (`INVALID_SCHEDULE`) naming the field that is wrong and where in the
 *   expression it stands; also for a date that never comes.
 */
export function parseCron(expression: string): CronPattern {
  const known = patterns.get(expression);
  if (known) return known;
  const pattern = readPattern(expression);
  if (patterns.size >= PATTERNS_MAX) patterns.clear();
  patterns.set(expression, pattern);
  return pattern;
}

interface Field {
  readonly text: string;
  readonly name: string;
  /** In characters, from 1. */
  readonly position: number;
}

function readPattern(expression: string): CronPattern {
  if (typeof expression !== "string" || expression.length > EXPRESSION_LENGTH_MAX) {
    throw new InvalidScheduleError(
      "cron",
      `cron must be a text of at most ${EXPRESSION_LENGTH_MAX} characters; got ${shown(expression)}.`,
    );
  }
  const fields = fieldsOf(expression);
  for (const field of fields) checkField(expression, field);
  const job = compile(fields.map(({ text }) => text).join(" "));
  if (job instanceof Error) throw refusal(expression, fields[0], reasonOf(job));
  if (job.nextRun(new Date(0)) === null) {
    const day = fields.at(-3);
    throw refusal(expression, day, "no month that is asked for ever has such a day");
  }
  return patternOf(job, fields.at(-4)?.text.startsWith("*") === true);
}

function patternOf(job: Cron, everyHour: boolean): CronPattern {
  return {
    everyHour,
    atOrAfter: (wall) =>
      job.nextRun(new Date(Math.ceil(wall / 1_000) * 1_000 - 1_000))?.getTime() ?? undefined,
    matches: (wall) => wall % 1_000 === 0 && job.match(new Date(wall)),
  };
}

function fieldsOf(expression: string): Field[] {
  const nickname = NICKNAMES[expression.trim().toLowerCase()];
  const texts = [...(nickname ?? expression).matchAll(/\S+/g)];
  if (texts.length !== 5 && texts.length !== 6) {
    const position = (texts[6]?.index ?? expression.length) + 1;
    throw new InvalidScheduleError(
      "cron",
      "cron must have 5 fields (minute, hour, day of month, month, day of week), 6 with seconds " +
        `first, or be one of ${Object.keys(NICKNAMES).join(" ")}; got ${shown(expression)} with ` +
        `${texts.length} fields, wrong from position ${position} on.`,
      position,
    );
  }
  const names = FIELDS.slice(6 - texts.length);
  return texts.map(({ 0: text, index }, field) => ({
    text,
    name: names[field] ?? "",
    position: index + 1,
  }));
}

/** A field is right when it is right among wildcards. */
function checkField(expression: string, field: Field): void {
  if (field.text.includes("?")) {
    throw refusal(expression, field, '"?" is not supported; write "*"');
  }
  const at = FIELDS.indexOf(field.name as (typeof FIELDS)[number]);
  const job = compile(FIELDS.map((_, index) => (index === at ? field.text : "*")).join(" "));
  if (job instanceof Error) throw refusal(expression, field, reasonOf(job));
}

/** In UTC and without its own ideas about time zones: those are ours. */
function compile(expression: string): Cron | Error {
  try {
    return new Cron(expression, { utcOffset: 0, mode: "5-or-6-parts", paused: true });
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function reasonOf(error: Error): string {
  return error.message.replace(/^CronPattern: /, "").replace(/\.$/, "");
}

function refusal(expression: string, field: Field | undefined, why: string): InvalidScheduleError {
  const { name = "", text = "", position = 1 } = field ?? {};
  return new InvalidScheduleError(
    "cron",
    `cron ${shown(expression)} is not valid: the ${name} ${shown(text)} at position ${position}: ${why}.`,
    position,
  );
}

import { InvalidOptionsError } from "./errors.ts";
import { shown } from "./options.ts";

/** An instant: a `Date`, or text in ISO 8601 with a zone, such as `"2030-01-31T09:00:00+01:00"`. */
export type Instant = Date | string;

const ISO = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})$/;

/** The last instant that keys can name, and that a `Date` can hold: the year 2286. */
export const INSTANT_MS_MAX = 9_999_999_999_999;

/**
 * Reads an instant as milliseconds since the epoch.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming `option` when it is none. Text without a
 *   zone is refused, because it means another instant on every machine.
 */
export function instantMs(option: string, given: Instant): number {
  const text = typeof given === "string" && ISO.test(given) ? Date.parse(given) : undefined;
  const ms = given instanceof Date ? given.getTime() : text;
  if (ms !== undefined && ms >= 0 && ms <= INSTANT_MS_MAX) return ms;
  throw new InvalidOptionsError(
    `${option} must be a Date or text in ISO 8601 with a zone, such as "2030-01-31T09:00:00Z", ` +
      `from 1970 to 2286; got ${shown(given)}.`,
  );
}

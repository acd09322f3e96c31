const RETRY_AFTER_MS_MAX = 86_400_000;

/**
 * Reads a `Retry-After` header, seconds or a date, as milliseconds from `now`: never negative, at
 * most a day. `undefined` when there is none, or it makes no sense.
 */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - now;
  if (Number.isNaN(ms)) return undefined;
  return Math.min(Math.max(0, ms), RETRY_AFTER_MS_MAX);
}

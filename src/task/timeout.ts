import { type Duration, durationMs } from "../base/duration.ts";
import { InvalidOptionsError } from "../base/errors.ts";
import { requireKnownKeys } from "../base/options.ts";
import type { TimeoutRecord } from "./records.ts";

/** Bounds of one attempt, from 10 ms to 24 days each. */
export interface TimeoutOptions {
  /** After this `ctx.signal` aborts with the reason `"timeout"`. */
  readonly soft?: Duration;
  /**
   * After this the attempt has failed, whatever the handler does. Default: 10 s after `soft`. Not
   * less than `soft`.
   */
  readonly hard?: Duration;
}

const MS_MIN = 10;
const MS_MAX = 24 * 86_400_000;
const GRACE_MS = 10_000;

/**
 * A duration is a soft bound with its default hard one.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the member that is not allowed.
 */
export function resolveTimeout(given: Duration | TimeoutOptions): TimeoutRecord {
  if (typeof given !== "object") return withGrace(durationMs("timeout", given, MS_MIN, MS_MAX));
  requireKnownKeys("timeout", given, ["soft", "hard"]);
  const { soft, hard } = given;
  const softMs = soft === undefined ? undefined : durationMs("timeout.soft", soft, MS_MIN, MS_MAX);
  const hardMs = hard === undefined ? undefined : durationMs("timeout.hard", hard, MS_MIN, MS_MAX);
  if (softMs === undefined && hardMs === undefined) {
    throw new InvalidOptionsError("timeout needs soft, hard or both; it has neither.");
  }
  if (hardMs === undefined) return withGrace(softMs as number);
  if (softMs === undefined) return { hardMs };
  if (softMs <= hardMs) return { softMs, hardMs };
  throw new InvalidOptionsError(
    `timeout.hard must not be less than timeout.soft; got soft ${softMs} ms and hard ${hardMs} ms.`,
  );
}

function withGrace(softMs: number): TimeoutRecord {
  return { softMs, hardMs: softMs + GRACE_MS };
}

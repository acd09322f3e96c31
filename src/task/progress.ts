import { InvalidOptionsError } from "../base/errors.ts";
import { encodeJson, PayloadTooLargeError, requireJson } from "../base/json.ts";
import { shown } from "../base/options.ts";
import { type Part, put, type Write } from "../store/part.ts";
import { type Attempt, attemptHolds } from "./attempt.ts";
import { taskKey } from "./keyspace.ts";
import { encodeRecord, type ProgressRecord } from "./records.ts";

/**
 * A percentage as it is stored: clamped to 0 to 100, rounded to 4 decimals.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) when `percent` is not a number.
 */
export function clampPercent(percent: unknown): number {
  return Math.round(Math.min(100, Math.max(0, requirePercent(percent))) * 10_000) / 10_000;
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) when `percent` is not a number. */
export function requirePercent(percent: unknown): number {
  if (typeof percent === "number" && !Number.isNaN(percent)) return percent;
  throw new InvalidOptionsError(`progress must be a number from 0 to 100; got ${shown(percent)}.`);
}

/** Largest detail of a progress report, as JSON. */
export const PROGRESS_DETAIL_BYTES_MAX = 16_384;

/**
 * @throws NotJsonError (`NOT_JSON`) or PayloadTooLargeError (`PAYLOAD_TOO_LARGE`) when the store
 *   cannot hold the detail of a progress report.
 */
export function requireDetail(detail: unknown): void {
  if (detail === undefined) return;
  requireJson("detail", detail);
  const { byteLength } = encodeJson(detail);
  if (byteLength <= PROGRESS_DETAIL_BYTES_MAX) return;
  throw new PayloadTooLargeError(
    `The detail of a progress report has ${byteLength} bytes as JSON; ` +
      `at most ${PROGRESS_DETAIL_BYTES_MAX} are allowed.`,
  );
}

/**
 * The write that records progress. Commit it with {@link attemptHolds}, alone or with an outcome.
 */
export function progressWrite(id: string, progress: ProgressRecord): Write {
  return put(taskKey(id, "progress"), encodeRecord(progress));
}

/** Records progress. Held while the attempt holds its task. */
export function progressPart(
  attempt: Pick<Attempt, "id" | "fence">,
  progress: ProgressRecord,
): Part {
  return {
    guards: [attemptHolds(attempt)],
    writes: [progressWrite(attempt.id, progress)],
    witness: taskKey(attempt.id, "progress"),
  };
}

import { type Duration, durationMs } from "../base/duration.ts";
import { InvalidOptionsError } from "../base/errors.ts";
import { requireInteger, requireKnownKeys, shown } from "../base/options.ts";
import { LEASE_TTL_MS_MAX } from "../store/limits.ts";
import { DEFAULT_QUEUE, requireQueue } from "../task/names.ts";

/** How a worker works. */
export interface WorkerOptions {
  /** Tasks run at once in this process, 1 to 10,000. Default 3. */
  readonly concurrency?: number;
  /** The queues to take from, 1 to 64. Default `["default"]`. */
  readonly queues?: readonly string[];
  /**
   * How long after this process's death its tasks go back to their queues, 2 s to 1 h. Default 15
   * s. Shorter is faster recovery, longer survives longer pauses of process or network.
   */
  readonly leaseTtl?: Duration;
  /**
   * How long `stop()` waits for running tasks before it gives them back, 0 to 1 day. Default 30 s.
   */
  readonly drain?: Duration;
}

/** {@link WorkerOptions} with every default filled in and every bound checked. */
export interface ResolvedWorkerOptions {
  readonly concurrency: number;
  readonly queues: readonly string[];
  readonly leaseTtlMs: number;
  readonly drainMs: number;
}

const QUEUES_MAX = 64;

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed. */
export function resolveWorkerOptions(given: WorkerOptions = {}): ResolvedWorkerOptions {
  requireKnownKeys("worker", given, ["concurrency", "queues", "leaseTtl", "drain"]);
  const queues = given.queues ?? [DEFAULT_QUEUE];
  if (!Array.isArray(queues) || queues.length < 1 || queues.length > QUEUES_MAX) {
    throw new InvalidOptionsError(
      `queues must be a list of 1 to ${QUEUES_MAX} queue names; got ${shown(queues)}.`,
    );
  }
  return {
    concurrency: requireInteger("concurrency", given.concurrency ?? 3, 1, 10_000),
    queues: [...new Set(queues.map(requireQueue))],
    leaseTtlMs: durationMs("leaseTtl", given.leaseTtl ?? 15_000, 2_000, LEASE_TTL_MS_MAX),
    drainMs: durationMs("drain", given.drain ?? 30_000, 0, 86_400_000),
  };
}

import { type Duration, durationMs } from "../base/duration.ts";
import { InvalidOptionsError } from "../base/errors.ts";
import { requireInteger, requireKnownKeys, shown } from "../base/options.ts";
import { LEASE_TTL_MS_MAX } from "../store/limits.ts";
import { DEFAULT_QUEUE, requireQueue } from "../task/names.ts";
import {
  type IsolationOptions,
  type ResolvedIsolationOptions,
  resolveIsolationOptions,
} from "./isolation/isolation-options.ts";
import {
  type IdleOptions,
  type ResolvedIdleOptions,
  resolveIdleOptions,
} from "./room/idle-options.ts";
import type { ScaleBounds } from "./scale/next-capacity.ts";

/** How a worker works. */
export interface WorkerOptions {
  /**
   * Tasks run at once in this process, 1 to 10,000. Default 3. Between `min` and `max` it grows
   * while tasks wait and the host has room, and shrinks when slots are not used or the host is
   * full.
   */
  readonly concurrency?: number | { readonly min: number; readonly max: number };
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
  /** How it keeps the threads and processes of tasks that run isolated. */
  readonly isolation?: IsolationOptions;
  /**
   * When there is room for idle tasks (`when: "idle"`), or `false` to take none. Default: see
   * {@link IdleOptions}.
   */
  readonly idle?: IdleOptions | false;
}

/** {@link WorkerOptions} with every default filled in and every bound checked. */
export interface ResolvedWorkerOptions {
  /** At the start. */
  readonly concurrency: number;
  /** `undefined`: it stays as it is. */
  readonly scale: ScaleBounds | undefined;
  readonly queues: readonly string[];
  readonly leaseTtlMs: number;
  readonly drainMs: number;
  readonly isolation: ResolvedIsolationOptions;
  /** `undefined`: no idle tasks are taken. */
  readonly idle: ResolvedIdleOptions | undefined;
}

const OPTIONS = ["concurrency", "queues", "leaseTtl", "drain", "isolation", "idle"];
const QUEUES_MAX = 64;
const CONCURRENCY_MAX = 10_000;

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed. */
export function resolveWorkerOptions(given: WorkerOptions = {}): ResolvedWorkerOptions {
  requireKnownKeys("worker", given, OPTIONS);
  const queues = given.queues ?? [DEFAULT_QUEUE];
  if (!Array.isArray(queues) || queues.length < 1 || queues.length > QUEUES_MAX) {
    throw new InvalidOptionsError(
      `queues must be a list of 1 to ${QUEUES_MAX} queue names; got ${shown(queues)}.`,
    );
  }
  const { idle = {} } = given;
  return {
    ...resolveConcurrency(given.concurrency),
    queues: [...new Set(queues.map(requireQueue))],
    leaseTtlMs: durationMs("leaseTtl", given.leaseTtl ?? 15_000, 2_000, LEASE_TTL_MS_MAX),
    drainMs: durationMs("drain", given.drain ?? 30_000, 0, 86_400_000),
    isolation: resolveIsolationOptions(given.isolation),
    idle: idle === false ? undefined : resolveIdleOptions(idle),
  };
}

function resolveConcurrency(given: WorkerOptions["concurrency"] = 3) {
  if (typeof given !== "object") {
    const concurrency = requireInteger("concurrency", given, 1, CONCURRENCY_MAX);
    return { concurrency, scale: undefined };
  }
  requireKnownKeys("concurrency", given, ["min", "max"]);
  const min = requireInteger("concurrency.min", given.min, 1, CONCURRENCY_MAX);
  const max = requireInteger("concurrency.max", given.max, min, CONCURRENCY_MAX);
  return { concurrency: min, scale: max === min ? undefined : { min, max } };
}

/** The most tasks that a worker of these options may run at once. */
export function concurrencyMax({ concurrency, scale }: ResolvedWorkerOptions): number {
  return scale?.max ?? concurrency;
}

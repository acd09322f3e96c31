import { type ByteSize, byteSize } from "../../base/byte-size.ts";
import { type Duration, durationMs } from "../../base/duration.ts";
import { requireInteger, requireKnownKeys } from "../../base/options.ts";
import { RUNNER_BYTES_MAX, RUNNER_BYTES_MIN } from "../../task/isolate.ts";

/** How a worker keeps the threads and processes in which isolated tasks run. */
export interface IsolationOptions {
  /**
   * Memory that a runner may use when its task does not say, 192 MiB to 64 GiB. Default 512 MiB.
   */
  readonly memory?: ByteSize;
  /** A runner is replaced after so many attempts, 1 to 1,000,000. Default 1,000. */
  readonly attemptsMax?: number;
  /**
   * A runner is replaced when an attempt left it with more memory. Default three quarters of what
   * it may use.
   */
  readonly recycleMemory?: ByteSize;
  /** A runner that has had nothing to do for so long is ended, 0 to 1 day. Default 1 minute. */
  readonly idle?: Duration;
}

/** {@link IsolationOptions} with every default filled in and every bound checked. */
export interface ResolvedIsolationOptions {
  readonly memoryBytes: number;
  readonly attemptsMax: number;
  /** `undefined`: a part of what each runner may use. */
  readonly recycleBytes: number | undefined;
  readonly idleMs: number;
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed. */
export function resolveIsolationOptions(given: IsolationOptions = {}): ResolvedIsolationOptions {
  requireKnownKeys("isolation", given, ["memory", "attemptsMax", "recycleMemory", "idle"]);
  const { memory = "512MiB", attemptsMax = 1_000, recycleMemory, idle = "1m" } = given;
  return {
    memoryBytes: byteSize("isolation.memory", memory, RUNNER_BYTES_MIN.process, RUNNER_BYTES_MAX),
    attemptsMax: requireInteger("isolation.attemptsMax", attemptsMax, 1, 1_000_000),
    recycleBytes:
      recycleMemory === undefined
        ? undefined
        : byteSize("isolation.recycleMemory", recycleMemory, 1, RUNNER_BYTES_MAX),
    idleMs: durationMs("isolation.idle", idle, 0, 86_400_000),
  };
}

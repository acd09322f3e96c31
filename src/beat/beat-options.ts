import { type Duration, durationMs } from "../base/duration.ts";
import { requireKnownKeys } from "../base/options.ts";
import { LEASE_TTL_MS_MAX } from "../store/limits.ts";

/** How a Beat works. */
export interface BeatOptions {
  /**
   * How long after the death of the leading process another one takes over, 2 s to 1 h. Default 5
   * s.
   */
  readonly leaseTtl?: Duration;
  /**
   * How much of the store's history is kept where the store does not see to it itself, which is on
   * etcd: what is older is compacted, in the whole etcd, at this pace. 1 min to 1 day, default 3
   * min; `false` leaves compaction to the operator.
   */
  readonly compaction?: Duration | false;
}

/** {@link BeatOptions} with every default filled in and every bound checked. */
export interface ResolvedBeatOptions {
  readonly leaseTtlMs: number;
  /** `undefined`: never. */
  readonly compactionMs: number | undefined;
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed. */
export function resolveBeatOptions(given: BeatOptions = {}): ResolvedBeatOptions {
  requireKnownKeys("beat", given, ["leaseTtl", "compaction"]);
  const { leaseTtl = 5_000, compaction = 180_000 } = given;
  return {
    leaseTtlMs: durationMs("leaseTtl", leaseTtl, 2_000, LEASE_TTL_MS_MAX),
    compactionMs:
      compaction === false ? undefined : durationMs("compaction", compaction, 60_000, 86_400_000),
  };
}

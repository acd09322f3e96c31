import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import { keyAbsent, put } from "../../store/part.ts";
import type { Store } from "../../store/store.ts";
import { probeKey } from "../../task/keyspace.ts";
import { encodeRecord } from "../../task/records.ts";
import { type Finding, ok, warning } from "./finding.ts";

const ROUNDS = 5;
const LEASE_MS = 10_000;
const SLOW_MS = 100;

/**
 * Measures guarded writes and reads. What it writes is on a lease, which is given up at the end,
 * and expires if this process dies before.
 */
export async function probeStore(
  store: Store,
  { clock, random }: { clock: Clock; random: Random },
): Promise<Finding> {
  const lease = await store.grant(LEASE_MS);
  const writes: number[] = [];
  const reads: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const key = probeKey(random.hex(8));
    const value = encodeRecord({ at: clock.now() });
    const part = { guards: [keyAbsent(key)], writes: [put(key, value, lease.id)], witness: key };
    writes.push(await timed(clock, () => store.commit([part])));
    reads.push(await timed(clock, () => store.get(key)));
  }
  await store.revoke(lease.id);
  const writeMs = median(writes);
  const text =
    `reachable; a guarded write takes ${writeMs.toFixed(1)} ms, a read ` +
    `${median(reads).toFixed(1)} ms (medians of ${ROUNDS})`;
  if (writeMs <= SLOW_MS) return ok("store", text);
  return warning(
    "store",
    text,
    "Tasks wait for such writes: look at the store's disks and network.",
  );
}

async function timed(clock: Clock, action: () => Promise<unknown>): Promise<number> {
  const startedAt = clock.monotonic();
  await action();
  return clock.monotonic() - startedAt;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

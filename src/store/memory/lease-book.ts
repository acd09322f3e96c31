import type { Clock } from "../../base/clock.ts";
import type { Lease, LeaseId } from "../store.ts";
import { LeaseLostError } from "../store-errors.ts";

interface LeaseRecord {
  readonly ttlMs: number;
  readonly keys: Set<string>;
  expiresAt: number;
  cancel: () => void;
}

/**
 * The living leases and the keys attached to each.
 *
 * A lease lives until `onEnd` was called for it, however late its timer fires: expiry is never
 * early.
 */
export class LeaseBook {
  readonly #clock: Clock;
  readonly #onEnd: (keys: readonly string[]) => void;
  readonly #leases = new Map<LeaseId, LeaseRecord>();
  #granted = 0;

  /** `onEnd` gets the keys of each lease that expires or is revoked, in key order. */
  constructor(clock: Clock, onEnd: (keys: readonly string[]) => void) {
    this.#clock = clock;
    this.#onEnd = onEnd;
  }

  grant(ttlMs: number): Lease {
    this.#granted += 1;
    const id = String(this.#granted);
    const expiresAt = this.#clock.monotonic() + ttlMs;
    this.#leases.set(id, { ttlMs, keys: new Set(), expiresAt, cancel: this.#arm(id, ttlMs) });
    return { id, ttlMs };
  }

  /** @throws LeaseLostError (`LEASE_LOST`) when the lease does not live. */
  require(id: LeaseId): void {
    this.#living(id);
  }

  /** @throws LeaseLostError (`LEASE_LOST`) when the lease does not live. */
  keepAlive(id: LeaseId): void {
    const lease = this.#living(id);
    // The timer stays armed: when it fires too soon for the new time, it arms itself again.
    lease.expiresAt = this.#clock.monotonic() + lease.ttlMs;
  }

  revoke(id: LeaseId): void {
    this.#end(id);
  }

  attach(id: LeaseId, key: string): void {
    this.#leases.get(id)?.keys.add(key);
  }

  detach(id: LeaseId, key: string): void {
    this.#leases.get(id)?.keys.delete(key);
  }

  #living(id: LeaseId): LeaseRecord {
    const lease = this.#leases.get(id);
    if (lease === undefined) throw new LeaseLostError(id);
    return lease;
  }

  #arm(id: LeaseId, ms: number): () => void {
    return this.#clock.after(ms, () => this.#expire(id));
  }

  #expire(id: LeaseId): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) return;
    const leftMs = lease.expiresAt - this.#clock.monotonic();
    if (leftMs > 0) lease.cancel = this.#arm(id, Math.ceil(leftMs));
    else this.#end(id);
  }

  #end(id: LeaseId): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) return;
    lease.cancel();
    this.#leases.delete(id);
    this.#onEnd([...lease.keys].sort());
  }
}

import { type Applied, EtaskError } from "../base/errors.ts";
import type { LeaseId, Revision } from "./store.ts";

/** Any failure of a store. `applied` says whether the write that failed may have landed. */
export abstract class StoreError extends EtaskError {
  abstract readonly applied: Applied;
}

/** The store did not answer, or not in time. Worth another try; look at `applied` first. */
export class StoreUnavailableError extends StoreError {
  readonly code = "STORE_UNAVAILABLE";
  readonly applied: Applied;

  constructor(message: string, applied: Applied, cause?: unknown) {
    super(message, { cause });
    this.applied = applied;
  }
}

/** The store refuses who we are or what we may do: wrong password, certificate or permission. */
export class StoreDeniedError extends StoreError {
  readonly code = "STORE_DENIED";
  readonly applied = "no";
}

/** The store is out of space. etcd may have applied the write all the same. */
export class StoreFullError extends StoreError {
  readonly code = "STORE_FULL";
  readonly applied: Applied;

  constructor(message: string, applied: Applied, cause?: unknown) {
    super(message, { cause });
    this.applied = applied;
  }
}

/**
 * The store is nearly full, so no new tasks are accepted; those that exist go on. Nothing was
 * written.
 */
export class StoreNearlyFullError extends StoreError {
  readonly code = "STORE_NEARLY_FULL";
  readonly applied = "no";
}

/** Too much is waiting to be committed already. Slow down and try again. */
export class StoreBusyError extends StoreError {
  readonly code = "STORE_BUSY";
  readonly applied = "no";
}

/** This store must not or cannot be used: not ours, too new, a dangerous version, damaged. */
export class StoreRefusedError extends StoreError {
  readonly code = "STORE_REFUSED";
  readonly applied = "no";
}

/** The store object was closed; nothing was sent. */
export class StoreClosedError extends StoreError {
  readonly code = "STORE_CLOSED";
  readonly applied: Applied;

  constructor(message = "The store is closed.", applied: Applied = "no") {
    super(message);
    this.applied = applied;
  }
}

/** A commit breaks a rule or limit of the contract. A bug of the caller; nothing was sent. */
export class InvalidCommitError extends StoreError {
  readonly code = "INVALID_COMMIT";
  readonly applied = "no";
}

/** The history asked for is gone: compacted, or the store was restored. List the range again. */
export class HistoryLostError extends StoreError {
  readonly code = "HISTORY_LOST";
  readonly applied = "no";
  /** Everything below this revision is compacted; 0 when the store was restored or does not say. */
  readonly compactRevision: Revision;

  constructor(message: string, compactRevision: Revision) {
    super(message);
    this.compactRevision = compactRevision;
  }
}

/**
 * The lease has expired or was revoked. `applied` is `"unknown"` only after an earlier lost answer.
 */
export class LeaseLostError extends StoreError {
  readonly code = "LEASE_LOST";
  readonly applied: Applied;
  readonly lease: LeaseId;

  constructor(lease: LeaseId, applied: Applied = "no") {
    super(`The lease ${lease} has expired or was revoked.`);
    this.lease = lease;
    this.applied = applied;
  }
}

/**
 * Whether `error` is a store's answer that it could not be reached or could not say what happened.
 */
export function isUnavailable(error: unknown): error is StoreUnavailableError | StoreFullError {
  const code = error instanceof EtaskError ? error.code : undefined;
  return code === "STORE_UNAVAILABLE" || code === "STORE_FULL";
}

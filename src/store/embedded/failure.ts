import { statfsSync } from "node:fs";
import { type Applied, InvalidOptionsError } from "../../base/errors.ts";
import type { LeaseId } from "../store.ts";
import { LeaseLostError, StoreFullError, StoreUnavailableError } from "../store-errors.ts";
import { isBroken, type Tables, TransactionError } from "./tables.ts";

/** Why a request failed, as data: errors lose their class on the way between threads. */
export type Failure =
  | { readonly code: "LEASE_LOST"; readonly lease: LeaseId }
  | { readonly code: "INVALID_OPTIONS"; readonly message: string }
  | {
      readonly code: "STORE_UNAVAILABLE" | "STORE_FULL";
      readonly message: string;
      readonly applied: Applied;
    };

/**
 * Codes that mean "no space": ENOSPC, EDQUOT, EFBIG, and LMDB's own limits of map and transaction.
 */
const FULL = [28, 122, 27, -30792, -30788];

/** EIO, which LMDB also reports when the disk took only a part of what it wrote. */
const IO_ERROR = 5;

/** With less than this left, a partial write means that the disk is full. */
const SPACE_BYTES_MIN = 16_777_216;

/** The error that a caller gets for a failure. */
export function toError(failure: Failure): Error {
  switch (failure.code) {
    case "LEASE_LOST":
      return new LeaseLostError(failure.lease);
    case "INVALID_OPTIONS":
      return new InvalidOptionsError(failure.message);
    case "STORE_FULL":
      return new StoreFullError(failure.message, failure.applied);
    case "STORE_UNAVAILABLE":
      return new StoreUnavailableError(failure.message, failure.applied);
  }
}

/**
 * What a failed transaction means for its requests.
 *
 * Until the very last write of a commit, the page that makes it current, nothing has happened. When
 * that one fails, LMDB refuses everything from then on, which is how it is told apart.
 */
export function transactionFailure(tables: Tables, error: unknown): Failure {
  const phase = error instanceof TransactionError ? error.phase : "body";
  const cause = error instanceof TransactionError ? error.cause : error;
  const reason = cause instanceof Error ? cause.message : String(cause);
  const applied = phase === "commit" && isBroken(tables) ? "unknown" : "no";
  if (isFull(tables.directory, errorNumber(cause))) {
    const message = `The disk of the embedded store is full (${reason}). Free some space.`;
    return { code: "STORE_FULL", message, applied };
  }
  const advice =
    phase === "begin" || applied === "unknown"
      ? " An earlier write of this process may have failed half-way: restart the process."
      : "";
  const message = `The embedded store could not write: ${reason}.${advice}`;
  return { code: "STORE_UNAVAILABLE", message, applied };
}

function isFull(directory: string, code: number): boolean {
  if (code !== IO_ERROR) return FULL.includes(code);
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize < SPACE_BYTES_MIN;
  } catch {
    return false;
  }
}

/** The error for a read that failed. */
export function readError(error: unknown): StoreUnavailableError {
  const reason = error instanceof Error ? error.message : String(error);
  return new StoreUnavailableError(`The embedded store could not read: ${reason}.`, "no", error);
}

/** The number that the system or LMDB gave an error; 0 when there is none. */
export function errorNumber(error: unknown): number {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === "number" ? code : 0;
}

import type { Part } from "../part.ts";
import type { Lease, LeaseId, PartResult, Revision } from "../store.ts";
import type { Failure } from "./failure.ts";
import type { PackedParts } from "./packing.ts";

/** What the writer can be asked for. Plain data, because it may go to another thread. */
export type Request =
  | { readonly op: "commit"; readonly parts: readonly Part[] }
  | { readonly op: "grant"; readonly ttlMs: number }
  | { readonly op: "keepAlive"; readonly lease: LeaseId }
  | { readonly op: "revoke"; readonly lease: LeaseId }
  | { readonly op: "compact"; readonly revision: Revision };

/** What each operation answers. */
export interface Results {
  readonly commit: PartResult[];
  readonly grant: Lease;
  readonly keepAlive: undefined;
  readonly revoke: undefined;
  readonly compact: undefined;
}

/** The answer to one request. */
export type Answer =
  | { readonly ok: true; readonly result: Results[keyof Results] }
  | { readonly ok: false; readonly failure: Failure };

/** What the writing thread needs to start. */
export interface WriterOptions {
  readonly directory: string;
  readonly historyMs: number;
}

/** A request on its way to the writing thread. */
export type PackedRequest =
  | Exclude<Request, { op: "commit" }>
  | { readonly op: "commit"; readonly packed: PackedParts };

/** Messages to the writing thread. It handles them in order; after `close` none follows. */
export type ToWriter =
  | { readonly kind: "requests"; readonly requests: readonly PackedRequest[] }
  | { readonly kind: "close" };

/** Messages from the writing thread. Requests are answered in their order. */
export type FromWriter =
  | { readonly kind: "ready" }
  | { readonly kind: "answers"; readonly answers: readonly Answer[] }
  | { readonly kind: "changed" };

import type { Entry, LeaseId, Revision } from "./store.ts";

/**
 * A guarded set of writes, held as a value until someone commits it.
 *
 * Broker, backend and beat build parts; one place commits them. A part is immutable and holds no
 * connection, so it can be built, compared and logged in a test.
 */
export interface Part {
  /** All must hold, or none of `writes` is made. Judged on the state before the commit. */
  readonly guards: readonly Guard[];
  /** A key may appear only once. */
  readonly writes: readonly Write[];
  /** Keys to read when the guards do not hold, as of that same moment. */
  readonly otherwise?: readonly string[];
  /**
   * The key of one of this part's puts whose value nobody else ever writes, because it carries a
   * nonce. After a lost answer the part is sent again; when the guards fail then, and this key
   * holds exactly this part's value, the first copy had been applied, and the result says so.
   *
   * A part without a witness may be reported as not applied although its first copy was: leave it
   * out only where that is harmless (deletions), never where somebody acts on the answer.
   */
  readonly witness?: string;
}

/** A condition on one key. No entry has revision 0, so a guard that names it never holds. */
export type Guard =
  | { readonly key: string; readonly is: "absent" }
  | { readonly key: string; readonly is: "present" }
  | { readonly key: string; readonly is: "unchanged"; readonly modRevision: Revision }
  | { readonly key: string; readonly is: "created"; readonly createRevision: Revision };

/** A change of one key. */
export type Write =
  | {
      readonly op: "put";
      readonly key: string;
      readonly value: Uint8Array;
      readonly lease?: LeaseId;
    }
  | { readonly op: "delete"; readonly key: string };

/** Holds when the key does not exist. */
export function keyAbsent(key: string): Guard {
  return { key, is: "absent" };
}

/** Holds when the key exists, whatever its value. */
export function keyPresent(key: string): Guard {
  return { key, is: "present" };
}

/** Holds when the key was last written at `modRevision`; with 0, when it does not exist. */
export function keyUnchanged(key: string, modRevision: Revision): Guard {
  return modRevision === 0 ? keyAbsent(key) : { key, is: "unchanged", modRevision };
}

/** Holds while the key has existed without a break since `createRevision`. */
export function keyCreatedAt(key: string, createRevision: Revision): Guard {
  return { key, is: "created", createRevision };
}

/** A write that sets `key`; with a lease, the key goes when the lease does. */
export function put(key: string, value: Uint8Array, lease?: LeaseId): Write {
  return lease === undefined ? { op: "put", key, value } : { op: "put", key, value, lease };
}

/** A write that deletes `key`; deleting an absent key is no error and changes nothing. */
export function del(key: string): Write {
  return { op: "delete", key };
}

/** Whether `guard` holds for the entry that is now at its key. */
export function guardHolds(
  guard: Guard,
  entry: Pick<Entry, "createRevision" | "modRevision"> | undefined,
): boolean {
  switch (guard.is) {
    case "absent":
      return entry === undefined;
    case "present":
      return entry !== undefined;
    case "unchanged":
      return entry?.modRevision === guard.modRevision;
    case "created":
      return entry?.createRevision === guard.createRevision;
  }
}

/** What clients of a store asked for and were told, as the checker of linearizability sees it. */

/** A condition on a key. Values are unique, so they stand for revisions. */
export type Expect =
  | { readonly key: string; readonly is: "absent" | "present" }
  | { readonly key: string; readonly is: "value"; readonly value: string };

/** `undefined` deletes. */
export interface Change {
  readonly key: string;
  readonly value?: string;
}

/** One operation on the keys of one group. */
export interface StoreOp {
  readonly client: string;
  /** The keys of different groups are never read or written together. */
  readonly group: string;
  /** On the monotonic clock. */
  readonly start: number;
  /** Absent: nobody knows whether, and when, it took effect. */
  readonly end?: number;
  readonly action:
    | {
        readonly kind: "read";
        /** Every key that was asked for, with its value if it had one. */
        readonly found: readonly Change[];
      }
    | {
        readonly kind: "commit";
        readonly expect: readonly Expect[];
        readonly changes: readonly Change[];
        /** Whether the guards held; absent when the outcome is unknown. */
        readonly applied?: boolean;
      };
  /** As of which revision the answer was. */
  readonly revision?: number;
}

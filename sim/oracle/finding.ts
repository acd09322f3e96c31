/** What must be true of a queue, whatever happens; `docs/reliability.md` says it in words. */
export type Invariant =
  | "I1"
  | "I2"
  | "I3"
  | "I4"
  | "I5"
  | "I6"
  | "I7"
  | "I8"
  | "I9"
  | "I10"
  | "I11"
  | "I12"
  | "I13"
  | "I14"
  | "I15"
  | "I16"
  | "I17";

/** Where an invariant was broken. */
export interface Finding {
  readonly invariant: Invariant;
  /** 0 when it is about no revision. */
  readonly revision: number;
  /** The task, or the key. */
  readonly subject: string;
  readonly what: string;
}

/** A finding as a line. */
export function findingText({ invariant, revision, subject, what }: Finding): string {
  const at = revision === 0 ? "" : ` at revision ${revision}`;
  return `${invariant}${at}, ${subject}: ${what}`;
}

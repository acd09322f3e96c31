/**
 * Known bugs, put back: mistakes that other queues have shipped, or that this one had until the
 * simulation found them. Each is a small change of a source, and each must be caught; one that is
 * not says that the checks have become blind.
 */
import type { Invariant } from "../oracle/finding.ts";
import { ATTEMPT_MUTATIONS } from "./attempt-mutations.ts";
import { STORE_MUTATIONS } from "./store-mutations.ts";
import { TIME_MUTATIONS } from "./time-mutations.ts";

/** A bug, and how it is put back. */
export interface Mutation {
  readonly name: string;
  /** What goes wrong with it, for users. */
  readonly bug: string;
  /** Who had it. */
  readonly source: string;
  readonly edits: readonly Edit[];
  /** What finds it; any of them may be the first. */
  readonly caughtBy: readonly Invariant[];
  /** A seed that finds it; seeds from here on are tried. */
  readonly seed: number;
}

/** One change of one file: `find` is there exactly once. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** All of them. */
export const MUTATIONS: readonly Mutation[] = [
  ...ATTEMPT_MUTATIONS,
  ...TIME_MUTATIONS,
  ...STORE_MUTATIONS,
];

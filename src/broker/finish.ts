import type { Part, Write } from "../store/part.ts";
import { put } from "../store/part.ts";
import { type Attempt, attemptHolds } from "../task/attempt.ts";
import type { TaskFailure } from "../task/failure.ts";
import { dueKey, expireKey, type ReadyPosition, readyKey, taskKey } from "../task/keyspace.ts";
import {
  type DueRecord,
  encodeRecord,
  type RetentionRecord,
  type SpecRecord,
  type StateRecord,
} from "../task/records.ts";
import type { FinalState } from "../task/state.ts";
import { readyAgainValue } from "./enqueue.ts";

/** How an attempt ended, decided by the worker. */
export type Outcome =
  | { readonly kind: "succeeded"; readonly result: unknown }
  | { readonly kind: "failed"; readonly error: TaskFailure }
  | { readonly kind: "retry"; readonly error: TaskFailure; readonly delayMs: number };

/** What {@link finishPart} needs besides the outcome. */
export interface FinishFacts {
  readonly at: number;
  /** The place of the next attempt in the queue; only read for a retry. */
  readonly sequence: string;
  readonly retention: RetentionRecord;
  /** Unknown when the spec could not be read. */
  readonly spec: SpecRecord | undefined;
  /** Further writes at the same revision: the last progress, a hand entry that is done with. */
  readonly also: readonly Write[];
}

/**
 * Ends an attempt: the state takes the outcome, and the task goes to where it belongs next, at one
 * revision. Held while the attempt holds its task. Two writes and what `also` adds.
 */
export function finishPart(attempt: Attempt, outcome: Outcome, facts: FinishFacts): Part {
  switch (outcome.kind) {
    case "succeeded":
      return ended(attempt, { result: outcome.result }, "succeeded", facts);
    case "failed":
      return ended(attempt, { error: outcome.error }, "failed", facts);
    case "retry":
      return outcome.delayMs === 0
        ? again(attempt, outcome.error, facts)
        : later(attempt, outcome.error, facts.at + outcome.delayMs, facts);
  }
}

/**
 * Gives a task back as if it had not been taken: the attempt is not counted, its place in the queue
 * is the old one. Held while the attempt holds its task.
 */
export function releasePart(attempt: Attempt, facts: FinishFacts): Part {
  return putBack(attempt, waiting(attempt, attempt.state.attempt - 1, facts.at), facts);
}

function ended(
  attempt: Attempt,
  outcome: Pick<StateRecord, "result" | "error">,
  state: "succeeded" | "failed",
  { at, retention, also }: FinishFacts,
): Part {
  const keepMs = state === "succeeded" ? retention.succeededMs : retention.failedMs;
  const final = finalState({ ...attempt.state, ...outcome }, state, at, keepMs);
  return withState(attempt, final, [expireWrite(attempt.id, final), ...also]);
}

/** The record of a task that has ended and is kept for `keepMs`. */
export function finalState(
  state: StateRecord,
  to: FinalState,
  at: number,
  keepMs: number,
): StateRecord & { readonly expireAt: number } {
  return { ...state, state: to, at, expireAt: at + keepMs };
}

/** The entry that lets the sweeper find an ended task. */
export function expireWrite(id: string, { expireAt }: { readonly expireAt: number }): Write {
  return put(expireKey(expireAt, id), NOTHING);
}

const NOTHING = new Uint8Array();

function again(attempt: Attempt, error: TaskFailure, facts: FinishFacts): Part {
  const { sequence } = facts;
  const state = { ...waiting(attempt, attempt.state.attempt, facts.at), sequence, error };
  return putBack(attempt, state, facts);
}

function later(attempt: Attempt, error: TaskFailure, dueAt: number, facts: FinishFacts): Part {
  const { sequence } = facts;
  const state: StateRecord = {
    ...waiting(attempt, attempt.state.attempt, facts.at),
    state: "scheduled",
    sequence,
    error,
    dueAt,
  };
  const { id, name } = attempt.ready;
  return withState(attempt, state, [
    put(dueKey(dueAt, id), encodeRecord({ id, name } satisfies DueRecord)),
    ...facts.also,
  ]);
}

/** The state of a task that waits again: where it stood, unless the caller says otherwise. */
function waiting(
  { state, position }: Attempt,
  attempt: number,
  at: number,
): StateRecord & ReadyPosition {
  return { ...state, state: "pending", attempt, at, ...position };
}

function putBack(
  attempt: Attempt,
  state: StateRecord & ReadyPosition,
  { spec, also }: FinishFacts,
): Part {
  const value = readyAgainValue(attempt.ready, state, spec);
  return withState(attempt, state, [put(readyKey(attempt.id, state), value), ...also]);
}

function withState(attempt: Attempt, state: StateRecord, writes: readonly Write[]): Part {
  const key = taskKey(attempt.id, "state");
  return {
    guards: [attemptHolds(attempt)],
    writes: [put(key, encodeRecord(state)), ...writes],
    witness: key,
  };
}

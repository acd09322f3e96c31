/**
 * How an attempt ends, as values: each outcome becomes one part, guarded by the attempt's fence.
 *
 * An end is final or lets the task wait again. Parts of the second kind are also guarded by the
 * absence of `task/{id}#cancel`, because a cancellation of a running task changes nothing else: it
 * must win over every wait, and loses to every end. A refusal brings that record along, and
 * {@link endAttempt} then ends the task as cancelled.
 */
import type { LoopWorld } from "../base/loop.ts";
import { del, keyAbsent, type Part, put, type Write } from "../store/part.ts";
import type { Entry, Store } from "../store/store.ts";
import { type Attempt, attemptHolds } from "../task/attempt.ts";
import { type UniqueTask, uniqueDeletes } from "../task/claim.ts";
import { decodeCancel } from "../task/decode.ts";
import { briefFailure, type TaskFailure } from "../task/failure.ts";
import {
  attemptKey,
  dueKey,
  expireKey,
  failedKey,
  type ReadyPosition,
  readyKey,
  signalKey,
  taskKey,
} from "../task/keyspace.ts";
import {
  type AttemptOutcome,
  type AttemptRecord,
  type CancelFacts,
  cancelFacts,
  type DueRecord,
  type ExpireRecord,
  encodeRecord,
  type FailedRecord,
  type FailReason,
  type RetentionRecord,
  type SpecRecord,
  type StateRecord,
} from "../task/records.ts";
import type { FinalState } from "../task/state.ts";
import { readOr } from "../task/task-reader.ts";
import { deadlineWrite, readyAgainValue } from "./enqueue.ts";
import { commitUntilKnown } from "./hold.ts";
import { sweepPart } from "./sweep.ts";

/** How an attempt ended, decided by whoever ran it. */
export type Outcome =
  | { readonly kind: "succeeded"; readonly result: unknown }
  | { readonly kind: "failed"; readonly error: TaskFailure; readonly reason: FailReason }
  | { readonly kind: "cancelled"; readonly cancel: CancelFacts }
  | {
      readonly kind: "retry";
      readonly error: TaskFailure;
      readonly delayMs: number;
      readonly outcome: AttemptOutcome;
    }
  /** Put off by the handler: as if it had not been taken, but later. */
  | { readonly kind: "snoozed"; readonly delayMs: number; readonly waitsFor?: string }
  /** Given back: as if it had not been taken, at its old place. */
  | { readonly kind: "released" };

/** What {@link finishPart} needs besides the outcome. */
export interface FinishFacts {
  readonly at: number;
  /** The place of the next attempt in the queue; only read for a retry. */
  readonly sequence: string;
  readonly retention: RetentionRecord;
  /** Unknown when the spec could not be read. */
  readonly spec: SpecRecord | undefined;
  /** The size of the spec's record, when it is known already. */
  readonly specBytes?: number | undefined;
  /** A cancellation was asked for, and this end is the answer. */
  readonly acknowledge?: boolean;
  /** Further writes at the same revision: the last progress, a hand entry that is done with. */
  readonly also: readonly Write[];
}

/** What became of an attempt that was ended. */
export interface Ended {
  /** What was recorded: a cancellation goes before an outcome that lets the task wait again. */
  readonly kind: Outcome["kind"];
  /** Removes the task, when it has ended and is not to be kept; whoever waits has seen the end. */
  readonly sweep: Part | undefined;
}

/**
 * Ends an attempt, however long the store is away. `undefined` when the attempt no longer holds its
 * task and nothing was written.
 *
 * @throws the store's error when `signal` aborts meanwhile.
 */
export async function endAttempt(
  store: Store,
  attempt: Attempt,
  outcome: Outcome,
  facts: FinishFacts,
  { world, signal }: { readonly world: LoopWorld; readonly signal: AbortSignal },
): Promise<Ended | undefined> {
  const { part, sweep } = finishPart(attempt, outcome, facts);
  const [result] = await commitUntilKnown(store, [part], world, signal);
  if (result?.applied) return { kind: outcome.kind, sweep };
  const cancel = result?.reads[0];
  if (!cancel) return undefined;
  const cancelled: Outcome = { kind: "cancelled", cancel: factsIn(cancel, facts.at) };
  return endAttempt(store, attempt, cancelled, facts, { world, signal });
}

/** A part that ends an attempt, and what removes its task after it. */
export interface FinishPart {
  readonly part: Part;
  readonly sweep: Part | undefined;
}

/**
 * Ends an attempt: the state takes the outcome, and the task goes to where it belongs next, at one
 * revision. Held while the attempt holds its task and, if the task is to wait again, nobody wants
 * it cancelled; when that is what failed, the cancellation is the answer's first read.
 */
export function finishPart(attempt: Attempt, outcome: Outcome, facts: FinishFacts): FinishPart {
  switch (outcome.kind) {
    case "succeeded":
      return ended(attempt, { result: outcome.result }, "succeeded", facts);
    case "failed":
      return ended(attempt, { error: outcome.error, reason: outcome.reason }, "failed", facts);
    case "cancelled": {
      return ended(attempt, { cancel: outcome.cancel }, "cancelled", {
        ...facts,
        acknowledge: true,
      });
    }
    case "retry":
      return retried(attempt, outcome, facts);
    case "snoozed":
      return snoozed(attempt, outcome, facts);
    case "released":
      return released(attempt, facts);
  }
}

/** What a `#cancel` entry says; of a damaged one, that it was there. */
function factsIn(entry: Entry, now: number): CancelFacts {
  const wish = readOr(entry, decodeCancel);
  return wish ? cancelFacts(wish) : { at: now };
}

/** The state of a task that has ended. */
export type FinalRecord = StateRecord & { readonly expireAt: number };

/** The record of a task that has ended and is kept for `keepMs`. */
export function finalState(
  { dueAt: _past, ...state }: StateRecord,
  to: FinalState,
  at: number,
  keepMs: number,
): FinalRecord {
  return { ...state, state: to, at, expireAt: at + keepMs };
}

/**
 * The writes that end a task: its state, the entry by which the sweeper finds it, and a dead letter
 * when it failed; a key that was its alone is free again. `queue` is the one it last waited in;
 * `bytes` is what its records take besides the state, about; `attempts` is how many attempts may be
 * remembered beside it.
 */
export function endWrites(
  { id, name, queue, unique }: EndedTask,
  final: FinalRecord,
  bytes: number,
  attempts: number,
): Write[] {
  const state = encodeRecord(final);
  const failed = final.state === "failed";
  const expire: ExpireRecord = {
    queue,
    bytes: bytes + state.byteLength,
    ...(attempts > 0 ? { attempts } : undefined),
    ...(failed ? { failedAt: final.at } : undefined),
    ...(final.logged ? { logged: true } : undefined),
  };
  const writes = [
    put(taskKey(id, "state"), state),
    put(expireKey(final.expireAt, id), encodeRecord(expire)),
    ...uniqueDeletes({ name, unique }),
  ];
  if (failed) {
    const { attempt, reason = "error", error = NO_ERROR } = final;
    const letter: FailedRecord = { name, reason, attempt, error: briefFailure(error) };
    writes.push(put(failedKey(queue, final.at, id), encodeRecord(letter)));
  }
  return writes;
}

/** What {@link endWrites} needs of a task besides its last record. */
export interface EndedTask extends UniqueTask {
  readonly id: string;
  readonly queue: string;
}

const NO_ERROR: TaskFailure = { name: "Error", message: "" };

/** The size of a spec's record in the store; 0 when it is unknown. */
export function specBytes(spec: SpecRecord | undefined): number {
  return spec ? encodeRecord(spec).byteLength : 0;
}

/** Remembers how an attempt went that did not end its task. */
export function attemptWrite(
  id: string,
  { attempt, worker = "", takenAt, at }: StateRecord,
  endedAt: number,
  outcome: AttemptOutcome,
  error?: TaskFailure,
): Write {
  const record: AttemptRecord = {
    attempt,
    worker,
    startedAt: takenAt ?? at,
    endedAt,
    outcome,
    ...(error ? { error: briefFailure(error) } : undefined),
  };
  return put(attemptKey(id, attempt), encodeRecord(record));
}

function ended(
  attempt: Attempt,
  outcome: Pick<StateRecord, "result" | "error" | "reason" | "cancel">,
  state: "succeeded" | "failed" | "cancelled",
  { at, retention, spec, acknowledge, also, ...facts }: FinishFacts,
): FinishPart {
  const { id, ready, position } = attempt;
  const keepMs = state === "succeeded" ? retention.succeededMs : retention.failedMs;
  const final = finalState({ ...attempt.state, ...outcome }, state, at, keepMs);
  const bytes = facts.specBytes ?? specBytes(spec);
  const { unique } = spec ?? ready.spec ?? {};
  const subject = { id, name: ready.name, queue: position.queue, unique };
  const acknowledged = acknowledge ? acknowledgeWrites(id, attempt.state.worker) : [];
  const writes = endWrites(subject, final, bytes, attempt.state.attempt - 1);
  const part: Part = {
    guards: [attemptHolds(attempt)],
    writes: [...writes, ...acknowledged, ...also],
    witness: taskKey(id, "state"),
  };
  return {
    part,
    sweep: keepMs > 0 ? undefined : sweepAfter(writes, expireKey(final.expireAt, id)),
  };
}

function sweepAfter(writes: readonly Write[], key: string): Part | undefined {
  const expire = writes.find((write) => write.key === key);
  return expire?.op === "put" ? sweepPart(key, expire.value) : undefined;
}

/** Answers a cancellation: neither it nor its signal is needed any more. */
export function acknowledgeWrites(id: string, worker: string | undefined): Write[] {
  const cancel = del(taskKey(id, "cancel"));
  return worker === undefined ? [cancel] : [cancel, del(signalKey(worker, id))];
}

function retried(
  attempt: Attempt,
  { error, outcome, delayMs }: Outcome & { kind: "retry" },
  facts: FinishFacts,
): FinishPart {
  const { at, sequence } = facts;
  const state = { ...waiting(attempt, attempt.state.attempt, at), sequence, error };
  const also = [attemptWrite(attempt.id, attempt.state, at, outcome, error), ...facts.also];
  if (delayMs === 0) return putBack(attempt, state, { ...facts, also });
  return putOff(attempt, state, at + delayMs, also);
}

function released(attempt: Attempt, facts: FinishFacts): FinishPart {
  const { id, ready, state } = attempt;
  const waits = waiting(attempt, state.attempt - 1, facts.at);
  const expiresAt = ready.spec?.expiresAt ?? ready.expiresAt;
  // As if it had not been started: Beat may have passed its deadline over while it ran.
  const again = expiresAt === undefined ? [] : [deadlineWrite(expiresAt, id)];
  return putBack(attempt, waits, { ...facts, also: [...again, ...facts.also] });
}

function snoozed(
  attempt: Attempt,
  { delayMs, waitsFor }: Outcome & { kind: "snoozed" },
  { at, also }: FinishFacts,
): FinishPart {
  const state: StateRecord = {
    ...waiting(attempt, attempt.state.attempt - 1, at),
    snoozed: (attempt.state.snoozed ?? 0) + 1,
    ...(waitsFor === undefined ? undefined : { waitsFor }),
  };
  return putOff(attempt, state, at + delayMs, also);
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
): FinishPart {
  const value = readyAgainValue(attempt.ready, state, spec);
  return waits(attempt, state, [put(readyKey(attempt.id, state), value), ...also]);
}

function putOff(
  attempt: Attempt,
  state: StateRecord,
  dueAt: number,
  also: readonly Write[],
): FinishPart {
  const { id, name } = attempt.ready;
  const due = encodeRecord({ id, name } satisfies DueRecord);
  const scheduled: StateRecord = { ...state, state: "scheduled", dueAt };
  return waits(attempt, scheduled, [put(dueKey(dueAt, id), due), ...also]);
}

function waits(attempt: Attempt, state: StateRecord, writes: readonly Write[]): FinishPart {
  const key = taskKey(attempt.id, "state");
  const cancel = taskKey(attempt.id, "cancel");
  const part: Part = {
    guards: [attemptHolds(attempt), keyAbsent(cancel)],
    writes: [put(key, encodeRecord(state)), ...writes],
    otherwise: [cancel],
    witness: key,
  };
  return { part, sweep: undefined };
}

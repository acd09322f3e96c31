import type { CancelTimer, Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import { currentRevision } from "./change.ts";
import { noteSize } from "./damage.ts";
import { type Failure, transactionFailure } from "./failure.ts";
import { compactHistory, trimHistory, trimIsDue } from "./history.ts";
import { applyCommit, type Moment } from "./judge.ts";
import { endLease, expiredLeases, grantLease, renewLease } from "./lease.ts";
import type { Answer, Request } from "./requests.ts";
import { snapshot, type Tables, transaction } from "./tables.ts";

/**
 * # The loop that writes
 *
 * One for each opened store; in a thread of its own, because user code may block the main thread,
 * and a transaction that waits for a blocked thread would hold the write lock of every process.
 *
 * **Requests** come into an inbox. Each turn takes many of them into one LMDB transaction: one
 * lock, one wait for the disk, each commit at a revision of its own. A commit is judged before it
 * writes anything, so one that fails leaves the transaction to the others. Answers go out in the
 * order of the requests, after the transaction is on disk.
 *
 * **Several times a second** it looks, without writing, for leases that are over and for history
 * that is too old, and ends and trims them in transactions of their own. Every process does;
 * whoever comes second finds nothing left to do.
 *
 * **A transaction fails** (disk full, I/O error): all its requests fail alike, and each says
 * whether it may have been applied. The next ones are tried as if nothing had been.
 *
 * **The process dies**: before the commit nothing of the transaction is there, after it all of it
 * is, answered or not. The lock passes to another process. Leases are ended by the others.
 */
export interface WriteLoopOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** History younger than this is kept. */
  readonly historyMs: number;
  /** Gets the answers to the oldest requests that have none, in their order. */
  readonly onAnswers: (answers: readonly Answer[]) => void;
  /** Called when the store has a newer revision. */
  readonly onChange: () => void;
}

/** Bounds of one transaction: they keep the wait of the first request in it short. */
const BATCH_REQUESTS_MAX = 512;
const BATCH_BYTES_MAX = 4_194_304;

/** How long leases may be over before they are ended, while nothing else delays it. */
const TEND_MS = 200;

/** Between two looks for readers that died within a read, which keep LMDB from reusing pages. */
const READER_CHECK_TURNS = 50;

/** Leases ended in one transaction. */
const EXPIRED_MAX = 100;

/**
 * See the head of this file. Constructed, it only waits; {@link WriteLoop.start} starts the
 * tending.
 */
export class WriteLoop {
  readonly #tables: Tables;
  readonly #options: WriteLoopOptions;
  readonly #inbox: Request[] = [];
  #turnPending = false;
  #turns = 0;
  #closed = false;
  #cancelTending: CancelTimer = () => {};

  constructor(tables: Tables, options: WriteLoopOptions) {
    this.#tables = tables;
    this.#options = options;
  }

  /** Begins to end leases and to trim history. */
  start(): void {
    this.#cancelTending = this.#options.clock.after(TEND_MS, () => {
      this.#tend();
      this.start();
    });
  }

  /** Takes requests in; they are answered later, in order. */
  push(requests: readonly Request[]): void {
    for (const request of requests) this.#inbox.push(request);
    this.#schedule();
  }

  /** Answers all that was pushed, and stops. */
  close(): void {
    this.#closed = true;
    this.#cancelTending();
    while (this.#inbox.length > 0) this.#write();
  }

  #schedule(): void {
    if (this.#turnPending || this.#inbox.length === 0) return;
    this.#turnPending = true;
    this.#options.clock.nextTurn(() => {
      this.#turnPending = false;
      if (this.#inbox.length > 0) this.#write();
      this.#schedule();
    });
  }

  #write(): void {
    const batch = this.#takeBatch();
    const { answers, changed } = this.#transact((moment) =>
      batch.map((request) => this.#handle(request, moment)),
    );
    if (changed) this.#options.onChange();
    if (Array.isArray(answers)) this.#options.onAnswers(answers);
    else this.#options.onAnswers(batch.map(() => answers));
  }

  #takeBatch(): Request[] {
    let count = 0;
    let bytes = 0;
    for (const request of this.#inbox) {
      if (count >= BATCH_REQUESTS_MAX || bytes >= BATCH_BYTES_MAX) break;
      count += 1;
      bytes += requestBytes(request);
    }
    return this.#inbox.splice(0, count);
  }

  #handle(request: Request, moment: Moment): Answer {
    const tables = this.#tables;
    const done = { ok: true, result: undefined } as const;
    switch (request.op) {
      case "commit":
        return applyCommit(tables, request.parts, moment);
      case "grant": {
        const id = this.#options.random.hex(8);
        const lease = grantLease(tables, id, request.ttlMs, moment.monotonic);
        return { ok: true, result: lease };
      }
      case "keepAlive":
        if (renewLease(tables, request.lease, moment.monotonic)) return done;
        return { ok: false, failure: { code: "LEASE_LOST", lease: request.lease } };
      case "revoke":
        endLease(tables, request.lease, moment.wall);
        return done;
      case "compact": {
        const newest = currentRevision(tables);
        if (request.revision > newest) return { ok: false, failure: tooNew(request, newest) };
        compactHistory(tables, request.revision);
        return done;
      }
    }
  }

  /** Runs `write` in a transaction; a failure of that is the answer to all that it was for. */
  #transact(write: (moment: Moment) => Answer[]): {
    answers: Answer[] | Answer;
    changed: boolean;
  } {
    const { clock } = this.#options;
    try {
      return transaction(this.#tables, () => {
        // Taken with the lock held: while it was waited for, leases may have come to their end.
        const moment = { wall: clock.now(), monotonic: clock.monotonic() };
        noteSize(this.#tables);
        const before = currentRevision(this.#tables);
        const answers = write(moment);
        return { answers, changed: currentRevision(this.#tables) !== before };
      });
    } catch (error) {
      const failure = transactionFailure(this.#tables, error);
      return { answers: { ok: false, failure }, changed: true };
    }
  }

  #tend(): void {
    const { clock, historyMs } = this.#options;
    const tables = this.#tables;
    let due: { leases: boolean; history: boolean };
    this.#turns += 1;
    try {
      if (this.#turns % READER_CHECK_TURNS === 0) tables.root.readerCheck();
      due = snapshot(tables, () => ({
        leases: expiredLeases(tables, clock.monotonic()).length > 0,
        history: trimIsDue(tables, clock.now(), historyMs),
      }));
    } catch {
      // Requests meet the same error, and their callers hear of it.
      return;
    }
    if (due.leases) this.#endLeases();
    if (due.history) this.#trim();
  }

  #endLeases(): void {
    const { changed } = this.#transact(({ wall, monotonic }) => {
      const expired = expiredLeases(this.#tables, monotonic).slice(0, EXPIRED_MAX);
      for (const lease of expired) endLease(this.#tables, lease, wall);
      return [];
    });
    if (changed) this.#options.onChange();
  }

  /** One step now and the next in a turn of its own, so that requests come in between. */
  #trim(): void {
    if (this.#closed) return;
    let more = false;
    this.#transact(({ wall }) => {
      more = trimHistory(this.#tables, wall, this.#options.historyMs);
      return [];
    });
    if (more) this.#options.clock.nextTurn(() => this.#trim());
  }
}

/** About how much a request brings with it. */
export function requestBytes(request: Request): number {
  if (request.op !== "commit") return 0;
  let bytes = 0;
  for (const { writes } of request.parts) {
    for (const write of writes) if (write.op === "put") bytes += write.value.byteLength;
  }
  return bytes;
}

function tooNew({ revision }: { revision: number }, newest: number): Failure {
  const message = `revision must be a whole number from 0 to ${newest}; got ${revision}.`;
  return { code: "INVALID_OPTIONS", message };
}

import type { Clock } from "../../base/clock.ts";
import { createDeferred, type Deferred } from "../../base/deferred.ts";
import { StoreBusyError, StoreUnavailableError } from "../store-errors.ts";
import { toError } from "./failure.ts";
import type { Answer, Request, Results } from "./requests.ts";
import { requestBytes } from "./write-loop.ts";

/** How requests reach the loop that writes. */
export interface WriterLink {
  send(requests: readonly Request[]): void;
  /** Whether answers are awaited, so that the process must not end by itself. */
  hold(awaited: boolean): void;
  /** Resolves when all that was sent is answered, and the loop is gone. */
  close(): Promise<void>;
}

/** Bounds of what may wait for an answer. */
const PENDING_REQUESTS_MAX = 8_192;
const PENDING_BYTES_MAX = 67_108_864;

/** After this a caller is told that its answer is not known. */
const ANSWER_MS_MAX = 15_000;
const OVERDUE_CHECK_MS = 1_000;

interface Pending {
  readonly answered: Deferred<Results[keyof Results]>;
  readonly since: number;
  readonly bytes: number;
  overdue: boolean;
}

/**
 * The caller's side of the loop that writes: requests of one turn are sent together, answers come
 * back in order.
 *
 * An answer that takes too long (another process was stopped while it held the write lock) fails
 * with `applied: "unknown"`; the request stays in line and may still be applied. When the loop is
 * lost, so do all that wait, and later requests fail with `applied: "no"`.
 */
export class Writer {
  readonly #clock: Clock;
  readonly #link: WriterLink;
  readonly #pending: Pending[] = [];
  #outbox: Request[] = [];
  #bytes = 0;
  #watching = false;
  #lost: string | undefined;

  constructor(clock: Clock, connect: (writer: Writer) => WriterLink) {
    this.#clock = clock;
    this.#link = connect(this);
  }

  /** @throws StoreBusyError (`STORE_BUSY`) when too much is waiting. */
  async request<Op extends Request["op"]>(
    request: Extract<Request, { op: Op }>,
  ): Promise<Results[Op]> {
    if (this.#lost !== undefined) throw new StoreUnavailableError(this.#lost, "no");
    const bytes = requestBytes(request);
    const full = this.#bytes + bytes > PENDING_BYTES_MAX && this.#pending.length > 0;
    if (full || this.#pending.length >= PENDING_REQUESTS_MAX) {
      throw new StoreBusyError(
        `${this.#pending.length} requests wait to be written already. Try again later.`,
      );
    }
    const answered = createDeferred<Results[keyof Results]>();
    const since = this.#clock.monotonic();
    this.#bytes += bytes;
    if (this.#pending.push({ answered, since, bytes, overdue: false }) === 1) this.#link.hold(true);
    this.#watchOverdue();
    if (this.#outbox.push(request) === 1) queueMicrotask(() => this.#flush());
    // The loop answers each operation with its own result.
    return (await answered.promise) as Results[Op];
  }

  /** Hands in the answers to the oldest requests. */
  settle(answers: readonly Answer[]): void {
    for (const [index, pending] of this.#pending.splice(0, answers.length).entries()) {
      const answer = answers[index];
      this.#bytes -= pending.bytes;
      if (answer === undefined || pending.overdue) continue;
      if (answer.ok) pending.answered.resolve(answer.result);
      else pending.answered.reject(toError(answer.failure));
    }
    if (this.#pending.length === 0) this.#link.hold(false);
  }

  /** Reports that the loop is gone without having answered. */
  lose(reason: string): void {
    if (this.#lost !== undefined) return;
    this.#lost = `The embedded store's writer ended: ${reason}. Open the store again.`;
    this.#bytes = 0;
    for (const pending of this.#pending.splice(0)) {
      if (!pending.overdue)
        pending.answered.reject(new StoreUnavailableError(this.#lost, "unknown"));
    }
  }

  async close(): Promise<void> {
    this.#flush();
    await this.#link.close();
    this.lose("the store was closed");
  }

  #flush(): void {
    if (this.#outbox.length === 0) return;
    const requests = this.#outbox;
    this.#outbox = [];
    if (this.#lost === undefined) this.#link.send(requests);
  }

  #watchOverdue(): void {
    if (this.#watching) return;
    this.#watching = true;
    this.#clock.after(OVERDUE_CHECK_MS, () => {
      this.#watching = false;
      const limit = this.#clock.monotonic() - ANSWER_MS_MAX;
      for (const pending of this.#pending) {
        if (pending.since > limit) break;
        if (pending.overdue) continue;
        pending.overdue = true;
        pending.answered.reject(overdueError());
      }
      if (this.#pending.length > 0) this.#watchOverdue();
    });
  }
}

function overdueError(): StoreUnavailableError {
  return new StoreUnavailableError(
    `The embedded store did not write within ${ANSWER_MS_MAX} ms. Is the disk stuck, or was ` +
      "another process stopped while it wrote?",
    "unknown",
  );
}

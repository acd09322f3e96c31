/**
 * Decides which calls an agent lets in, and runs them.
 *
 * A task has at most one handler here at a time. Every call carries its attempt's fence, which
 * grows from attempt to attempt, so of two calls for one task the higher fence is the attempt that
 * counts:
 *
 * - A call with a lower fence than was seen of its task is refused. Fences are remembered for the
 *   last {@link TASKS_REMEMBERED} tasks, besides those that run.
 * - A call with a higher fence than the one that runs ends that one: its handler is told to stop,
 *   its caller hears that the attempt is stale. The new one is accepted and waits until the old
 *   handler has ended. If that takes longer than {@link SUPERSEDE_MS}, the new one is refused and
 *   comes back as another attempt; a handler that is deaf keeps its task, because two at once on
 *   one disk is what must never be.
 *
 * Nothing is kept beyond the process: an agent that was started anew remembers no fences. There the
 * incarnation helps, which every call names: a call that was meant for the agent's former life is
 * refused. What remains is a worker that lost its task, does not know it yet, and learns of the
 * agent's new life first; its write of the result is refused by the store.
 *
 * If the caller dies, its connection breaks and the handler is told to stop. If the agent dies, the
 * calls die with it.
 */
import { status } from "@grpc/grpc-js";
import { aborted } from "../../base/aborted.ts";
import type { Clock } from "../../base/clock.ts";
import { createDeferred, type Deferred } from "../../base/deferred.ts";
import type { AgentMethod } from "./agent-method.ts";
import { FenceBook } from "./fence-book.ts";
import { type CallStream, Outbox, type Refusal } from "./outbox.ts";
import { type CallRequest, type CancelRequest, PROTOCOL } from "./protocol.ts";
import { abortReasonOf, type CallAbortReason } from "./rpc-errors.ts";
import { GONE, ServedCall } from "./served-call.ts";

const TASKS_REMEMBERED = 10_000;
const SUPERSEDE_MS = 30_000;

/** What a desk works with. */
export interface CallDeskOptions {
  readonly methods: ReadonlyMap<string, AgentMethod>;
  readonly callsMax: number;
  readonly clock: Clock;
}

/** See the essay above. */
export class CallDesk {
  /** The life of the agent that calls must mean. */
  incarnation = "";
  /** Whether calls are let in. */
  open = false;
  readonly #with: CallDeskOptions;
  readonly #fences = new FenceBook(TASKS_REMEMBERED);
  /** The call of a task whose handler runs. */
  readonly #running = new Map<string, ServedCall>();
  /** The call of a task that waits for that one's end. */
  readonly #waiting = new Map<string, ServedCall>();
  #idle: Deferred<void> | undefined;

  constructor(options: CallDeskOptions) {
    this.#with = options;
  }

  /** Calls whose handler has not ended. */
  get running(): number {
    return this.#running.size;
  }

  /** Lets a call in or refuses it. */
  admit(stream: CallStream): void {
    const { request } = stream;
    const refusal = this.#refusalOf(request) ?? this.#claim(request);
    if (refusal) {
      new Outbox(stream).refuse(refusal);
      return;
    }
    const call = new ServedCall(stream);
    const older = this.#running.get(request.task);
    if (older) {
      this.#waiting.set(request.task, call);
      older.refuse(STALE);
      older.abort("superseded");
      call.accept();
      // Neither rejects.
      this.#follow(older, call);
    } else {
      call.accept();
      this.#run(call);
    }
  }

  /** Tells the handler of a call to stop. Returns whether there is such a call. */
  cancel({ task, fence, reason }: CancelRequest): boolean {
    const calls = [this.#running.get(task), this.#waiting.get(task)];
    const call = calls.find((each) => each?.request.fence === fence);
    call?.abort(abortReasonOf(reason));
    return call !== undefined;
  }

  /** Tells all handlers to stop. */
  abortAll(reason: CallAbortReason): void {
    for (const call of this.#calls()) call.abort(reason);
  }

  /** Tells all callers that the agent is gone, whatever its handlers do. */
  refuseAll(): void {
    for (const call of this.#calls()) call.refuse(GONE);
  }

  /** Resolves when there is no call any more. */
  async idle(): Promise<void> {
    if (this.#calls().length === 0) return;
    this.#idle ??= createDeferred<void>();
    await this.#idle.promise;
  }

  #calls(): ServedCall[] {
    return [...this.#running.values(), ...this.#waiting.values()];
  }

  #refusalOf({ protocol, incarnation, method, fence }: CallRequest): Refusal | undefined {
    if (protocol !== PROTOCOL) {
      const text = `The agent speaks version ${PROTOCOL} of the protocol, the caller ${protocol}.`;
      return { status: status.FAILED_PRECONDITION, code: "AGENT_PROTOCOL", text };
    }
    if (!this.open) return GONE;
    if (incarnation !== "" && incarnation !== this.incarnation) {
      const text = "The call is meant for the agent's former life.";
      return { status: status.FAILED_PRECONDITION, code: "AGENT_RESTARTED", text };
    }
    if (!this.#with.methods.has(method)) {
      const text = `The agent has no method ${JSON.stringify(method.slice(0, 100))}.`;
      return { status: status.UNIMPLEMENTED, code: "AGENT_METHOD_UNKNOWN", text };
    }
    if (Number.isSafeInteger(fence)) return undefined;
    const text = "The fence is not a safe integer.";
    return { status: status.INVALID_ARGUMENT, code: "AGENT_PROTOCOL", text };
  }

  /** Takes the task for the call's fence, or says why not. */
  #claim({ task, fence }: CallRequest): Refusal | undefined {
    const running = this.#running.get(task);
    const waiting = this.#waiting.get(task);
    const newest = waiting ?? running;
    if (fence < Math.max(this.#fences.highest(task), newest?.request.fence ?? 0)) return STALE;
    if (newest?.request.fence === fence) return busy("The agent serves this attempt already.");
    if (!running && this.#calls().length >= this.#with.callsMax) {
      return busy(`The agent serves ${this.#with.callsMax} calls, which is as many as it takes.`);
    }
    this.#fences.note(task, fence);
    if (waiting) {
      this.#waiting.delete(task);
      waiting.drop(STALE);
      waiting.abort("superseded");
    }
    return undefined;
  }

  /** Runs the newer call when the handler of the older one has ended, if that is in time. */
  async #follow(older: ServedCall, call: ServedCall): Promise<void> {
    const { task } = call.request;
    const late = createDeferred<"late">();
    const cancel = this.#with.clock.after(SUPERSEDE_MS, () => late.resolve("late"));
    const over = [older.done, call.done, aborted(call.signal), late.promise];
    const outcome = await Promise.race(over);
    cancel();
    if (this.#waiting.get(task) === call) {
      this.#waiting.delete(task);
      if (outcome === "late") call.drop(busy("An older attempt at the task has not ended here."));
      // Then it only says that it was not begun.
      else if (call.signal.aborted) await call.run(this.#methodOf(call));
      else await this.#run(call);
    }
    this.#settle();
  }

  async #run(call: ServedCall): Promise<void> {
    const { task } = call.request;
    this.#running.set(task, call);
    await call.run(this.#methodOf(call));
    // The next call of the task may have taken the place as soon as this one was done.
    if (this.#running.get(task) === call) this.#running.delete(task);
    this.#settle();
  }

  #methodOf({ request }: ServedCall): AgentMethod {
    return this.#with.methods.get(request.method) as AgentMethod;
  }

  #settle(): void {
    if (this.#calls().length > 0) return;
    this.#idle?.resolve();
    this.#idle = undefined;
  }
}

const STALE: Refusal = {
  status: status.ABORTED,
  code: "ATTEMPT_STALE",
  text: "The agent has seen a newer attempt at the task.",
};

function busy(text: string): Refusal {
  return { status: status.RESOURCE_EXHAUSTED, code: "AGENT_BUSY", text };
}

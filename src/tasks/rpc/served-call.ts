import { status } from "@grpc/grpc-js";
import { createDeferred } from "../../base/deferred.ts";
import { encodeJson, PayloadTooLargeError, requireJson } from "../../base/json.ts";
import { requireLogText } from "../../task/log.ts";
import { clampPercent, requireDetail } from "../../task/progress.ts";
import type { AgentCall, AgentMethod } from "./agent-method.ts";
import { failureMessage } from "./failure-message.ts";
import { type CallStream, Outbox, type Refusal } from "./outbox.ts";
import { type CallRequest, decodeValue, encodeValue } from "./protocol.ts";
import { CallAbortedError, type CallAbortReason } from "./rpc-errors.ts";

/** Largest result of a method, as JSON. */
const RESULT_BYTES_MAX = 1_048_576;

/** One call at an agent, from its admission to the end of its handler. */
export class ServedCall {
  readonly request: CallRequest;
  readonly #outbox: Outbox;
  readonly #abort = new AbortController();
  readonly #done = createDeferred<void>();

  constructor(stream: CallStream) {
    this.request = stream.request;
    this.#outbox = new Outbox(stream);
    // gRPC also says so after the regular end; then it does no harm.
    stream.on("cancelled", () => this.#disconnect());
    if (stream.cancelled) this.#disconnect();
  }

  /** Aborts when the call must stop. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Resolves when the handler has ended, or never will begin. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  /** Tells the caller that the call is admitted. */
  accept(): void {
    this.#outbox.accepted();
  }

  /** Tells the handler to stop; the first reason stands. */
  abort(reason: CallAbortReason): void {
    this.#abort.abort(new CallAbortedError(reason));
  }

  /** Tells the caller that this is the end, whatever the handler comes to. */
  refuse(refusal: Refusal): void {
    this.#outbox.refuse(refusal);
  }

  /** Gives the call up before its handler began. */
  drop(refusal: Refusal): void {
    this.refuse(refusal);
    this.#done.resolve();
  }

  /** Runs the handler and tells the caller how it ended. Never rejects. */
  async run(method: AgentMethod): Promise<void> {
    try {
      this.signal.throwIfAborted();
      const result = await method(decodeValue(this.request.input), this.#context());
      this.#outbox.end({ event: "result", result: { output: outputOf(result) } });
    } catch (error) {
      if (this.#abortedHere()) this.refuse(GONE);
      else this.#outbox.end({ event: "failure", failure: failureMessage(error) });
    } finally {
      this.#done.resolve();
    }
  }

  /** Whether the agent's own end is why the handler had to stop. */
  #abortedHere(): boolean {
    const reason = this.signal.aborted ? (this.signal.reason as CallAbortedError).reason : "";
    return reason === "stopping" || reason === "agent-lease-lost";
  }

  #disconnect(): void {
    this.#outbox.close();
    this.abort("disconnected");
  }

  #context(): AgentCall {
    const { task, method, attempt, fence, headers } = this.request;
    return {
      task,
      method,
      attempt,
      fence,
      headers,
      signal: this.signal,
      progress: (percent, detail) => {
        const valid = clampPercent(percent);
        requireDetail(detail);
        this.#outbox.progress(valid, encodeValue(detail));
      },
      log: (text) => {
        requireLogText(text);
        this.#outbox.log(text);
      },
    };
  }
}

/** What the callers of an agent that ends are told. */
export const GONE: Refusal = {
  status: status.UNAVAILABLE,
  code: "AGENT_GONE",
  text: "The agent stopped before the call had ended.",
};

function outputOf(result: unknown): Buffer {
  if (result === undefined) return encodeValue(undefined);
  requireJson("result", result);
  const bytes = encodeJson(result);
  if (bytes.byteLength <= RESULT_BYTES_MAX) return bytes;
  throw new PayloadTooLargeError(
    `The result has ${bytes.byteLength} bytes as JSON; at most ${RESULT_BYTES_MAX} are allowed.`,
  );
}

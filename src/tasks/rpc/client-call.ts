import { type ClientReadableStream, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import type { CancelTimer, Clock } from "../../base/clock.ts";
import { createDeferred } from "../../base/deferred.ts";
import type { TaskContext } from "../../task/context.ts";
import { errorOf } from "./failure-message.ts";
import { type CallEvent, decodeValue } from "./protocol.ts";
import { AgentProtocolError } from "./rpc-errors.ts";

/** An agent that was reached accepts a call at once, or refuses it. */
const ACCEPT_MS_MAX = 20_000;
/** After the result comes the end of the stream, and nothing else. */
const END_MS_MAX = 5_000;

/** How a call ended: by its handler's word, or with a status. */
export type Ending =
  | { readonly kind: "result"; readonly output: unknown }
  | { readonly kind: "failure"; readonly error: Error }
  | { readonly kind: "status"; readonly error: ServiceError };

/** One call at an agent, as its caller sees it: progress and log lines go to the task's context. */
export class ClientCall {
  readonly #stream: ClientReadableStream<CallEvent>;
  readonly #context: TaskContext<never>;
  readonly #ending = createDeferred<Ending>();
  readonly #clock: Clock;
  readonly #cancelLate: CancelTimer;
  #settled = false;
  #closed = false;

  constructor(stream: ClientReadableStream<CallEvent>, context: TaskContext<never>, clock: Clock) {
    this.#stream = stream;
    this.#context = context;
    this.#clock = clock;
    stream.on("data", (event: CallEvent) => this.#take(event));
    stream.on("status", () => {
      this.#closed = true;
    });
    stream.on("error", (error: ServiceError) => this.#end({ kind: "status", error }));
    stream.on("end", () => this.#lost("The stream ended without a result."));
    this.#cancelLate = clock.after(ACCEPT_MS_MAX, () => {
      this.#lost(`The call was not accepted within ${ACCEPT_MS_MAX} ms.`);
      this.cancel();
    });
  }

  /** Resolves when the call has ended; never rejects. */
  get ending(): Promise<Ending> {
    return this.#ending.promise;
  }

  /** Gives the call up; the agent notices. */
  cancel(): void {
    this.#stream.cancel();
  }

  /**
   * Nobody waits any more: gives up a call that has not ended. One that has is left to end in good
   * order, because servers close connections on which many streams are reset.
   */
  close(): void {
    if (!this.#settled) this.cancel();
    else if (!this.#closed) {
      const cancel = this.#clock.after(END_MS_MAX, () => this.cancel());
      this.#stream.once("status", cancel);
    }
  }

  #take(event: CallEvent): void {
    this.#cancelLate();
    try {
      this.#tell(event);
    } catch (cause) {
      const text = "The agent sent what cannot be read.";
      this.#end({ kind: "failure", error: new AgentProtocolError(text, { cause }) });
      this.cancel();
    }
  }

  #tell(event: CallEvent): void {
    switch (event.event) {
      case "progress": {
        const { percent, detail } = event.progress;
        this.#context.progress(percent, decodeValue(detail) as never);
        return;
      }
      case "log":
        this.#context.log(event.log.text);
        return;
      case "result":
        this.#end({ kind: "result", output: decodeValue(event.result.output) });
        return;
      case "failure":
        this.#end({ kind: "failure", error: errorOf(event.failure) });
        return;
      default:
      // It is accepted, or a newer agent says something that may be passed over.
    }
  }

  #lost(details: string): void {
    const facts = { code: status.UNAVAILABLE, details, metadata: new Metadata() };
    this.#end({ kind: "status", error: Object.assign(new Error(details), facts) });
  }

  #end(ending: Ending): void {
    this.#cancelLate();
    this.#settled = true;
    this.#ending.resolve(ending);
  }
}

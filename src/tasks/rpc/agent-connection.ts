import { type Client, type ClientReadableStream, Metadata } from "@grpc/grpc-js";
import type { MethodDefinition } from "@grpc/proto-loader";
import type { Clock } from "../../base/clock.ts";
import type { TlsMaterial } from "../../store/etcd/etcd-options.ts";
import { createClient } from "./grpc-client.ts";
import {
  AGENT_SERVICE,
  type CallEvent,
  type CallRequest,
  type CancelRequest,
  type HealthResponse,
  traceMetadata,
} from "./protocol.ts";

const ANSWER_MS_MAX = 2_000;

/** The calls that an agent serves, over one connection. */
export class AgentConnection implements Disposable {
  readonly #client: Client;

  constructor(address: string, tls: TlsMaterial | undefined) {
    this.#client = createClient(address, tls);
  }

  /** Calls a method; what becomes of it is told on the stream. */
  call(request: CallRequest): ClientReadableStream<CallEvent> {
    const { path, requestSerialize, responseDeserialize } = AGENT_SERVICE.Call;
    return this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      traceMetadata(request.headers),
      {},
    );
  }

  /** Tells the handler of a call to stop; within 2 s. @throws ServiceError */
  cancel(request: CancelRequest, clock: Clock): Promise<{ readonly found: boolean }> {
    return this.#ask(AGENT_SERVICE.Cancel, request, clock, ANSWER_MS_MAX);
  }

  /** Asks how the agent is; within `timeoutMs`, which is 2 s by default. @throws ServiceError */
  health(clock: Clock, timeoutMs: number = ANSWER_MS_MAX): Promise<HealthResponse> {
    return this.#ask(AGENT_SERVICE.Health, {}, clock, timeoutMs);
  }

  /** Ends the connection; calls under way fail. */
  close(): void {
    this.#client.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #ask<Request, Response>(
    { path, requestSerialize, responseDeserialize }: MethodDefinition<Request, Response>,
    request: Request,
    clock: Clock,
    timeoutMs: number,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const deadline = clock.now() + timeoutMs;
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        new Metadata(),
        { deadline },
        (error, response) => {
          if (response === undefined) reject(error);
          else resolve(response);
        },
      );
    });
  }
}

import type {
  CallOptions,
  Client,
  ClientReadableStream,
  Metadata,
  ServiceError,
} from "@grpc/grpc-js";
import type { Clock } from "../../base/clock.ts";
import { createDeferred } from "../../base/deferred.ts";
import { PayloadTooLargeError } from "../../base/json.ts";
import type { TaskContext } from "../../task/context.ts";
import { InvalidInputError } from "../../task/input.ts";
import type { GrpcMessage, GrpcMethod } from "./grpc-service.ts";
import { type GrpcVerdicts, statusError } from "./grpc-status.ts";
import { MESSAGE_BYTES_MAX, traceMetadata } from "./protocol.ts";

/** Messages of a stream that are collected when nobody takes them. */
const MESSAGES_MAX = 1_000;

/** What is called, and how its statuses are judged. */
export interface GrpcTarget {
  readonly method: GrpcMethod;
  /** Service and method, for messages. */
  readonly name: string;
  readonly verdicts: GrpcVerdicts;
  readonly clock: Clock;
  /** How long a call may take. */
  readonly deadlineMs: number | undefined;
}

/** One call. */
export interface GrpcCall {
  readonly address: string;
  readonly body: Buffer;
  readonly metadata: Metadata;
  readonly signal: AbortSignal;
  /** Takes the messages of a stream. */
  readonly onMessage: ((message: GrpcMessage) => void) | undefined;
}

/**
 * Makes a call and resolves to the message that answers it; of a stream, to the last message when
 * `onMessage` takes them, else to the list of them.
 *
 * @throws RpcFailedError (`RPC_FAILED`), RpcUnavailableError, RpcDeniedError for a status.
 * @throws PayloadTooLargeError (`PAYLOAD_TOO_LARGE`) when more comes than can be collected.
 */
export async function callGrpc(
  target: GrpcTarget,
  client: Client,
  call: GrpcCall,
): Promise<unknown> {
  const { signal, address } = call;
  signal.throwIfAborted();
  const { clock, deadlineMs, method } = target;
  const options = deadlineMs === undefined ? {} : { deadline: clock.now() + deadlineMs };
  try {
    return await (method.responseStream
      ? callStream(target, client, call, options)
      : callUnary(target, client, call, options));
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (!isStatus(error)) throw error;
    throw statusError(`${target.name} at ${address}`, error, target.verdicts);
  }
}

/**
 * The request as bytes.
 *
 * @throws InvalidInputError (`INVALID_INPUT`) when it is no such message.
 */
export function requestBytes({ method, name }: GrpcTarget, request: unknown): Buffer {
  try {
    return method.requestSerialize(request as GrpcMessage);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new InvalidInputError(`The request for ${name} is not as its service asks: ${why}.`, {
      cause: error,
    });
  }
}

/** What is sent beside every request: who asks, and the trace context. */
export function requestMetadata(
  given: Readonly<Record<string, string>>,
  { id, attempt, fence, headers }: TaskContext<never>,
): Metadata {
  const metadata = traceMetadata(headers);
  metadata.set("etask-task", id);
  metadata.set("etask-attempt", String(attempt));
  metadata.set("etask-fence", String(fence));
  for (const [name, value] of Object.entries(given)) metadata.set(name, value);
  return metadata;
}

async function callUnary(
  { method }: GrpcTarget,
  client: Client,
  { body, metadata, signal }: GrpcCall,
  options: CallOptions,
): Promise<GrpcMessage> {
  const answer = createDeferred<GrpcMessage>();
  const { path, responseDeserialize } = method;
  const call = client.makeUnaryRequest(
    path,
    asIs,
    responseDeserialize,
    body,
    metadata,
    options,
    (error, message) => (error ? answer.reject(error) : answer.resolve(message ?? {})),
  );
  return cancelledBy(signal, call, answer.promise);
}

async function callStream(
  { method, name }: GrpcTarget,
  client: Client,
  { body, metadata, signal, onMessage }: GrpcCall,
  options: CallOptions,
): Promise<unknown> {
  const ended = createDeferred<void>();
  const messages: GrpcMessage[] = [];
  let bytes = 0;
  const decode = (message: Buffer) => {
    bytes += message.byteLength;
    return method.responseDeserialize(message);
  };
  const stream: ClientReadableStream<GrpcMessage> = client.makeServerStreamRequest(
    method.path,
    asIs,
    decode,
    body,
    metadata,
    options,
  );
  stream.on("data", (message: GrpcMessage) => {
    try {
      onMessage?.(message);
      if (onMessage) messages.length = 0;
      else if (messages.length === MESSAGES_MAX || bytes > MESSAGE_BYTES_MAX) {
        throw tooMany(name);
      }
      messages.push(message);
    } catch (error) {
      ended.reject(error);
      stream.cancel();
    }
  });
  stream.on("error", (error) => ended.reject(error));
  stream.on("end", () => ended.resolve());
  await cancelledBy(signal, stream, ended.promise);
  return onMessage ? messages[0] : messages;
}

function tooMany(name: string): PayloadTooLargeError {
  return new PayloadTooLargeError(
    `${name} answered with more than ${MESSAGES_MAX} messages or ${MESSAGE_BYTES_MAX} bytes, which ` +
      "is all that can be collected. Take them one by one with onMessage.",
  );
}

async function cancelledBy<T>(
  signal: AbortSignal,
  call: { cancel(): void },
  ended: Promise<T>,
): Promise<T> {
  const cancel = () => call.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    return await ended;
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

/** What gRPC rejects with has a status and its text. */
function isStatus(error: unknown): error is ServiceError {
  return error instanceof Error && "details" in error && "metadata" in error;
}

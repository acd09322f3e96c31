/** The protocol between workers and agents; `proto/etask/agent.proto` says what it means. */
import { Metadata } from "@grpc/grpc-js";
import { fromJSON, type MethodDefinition } from "@grpc/proto-loader";
import { decodeJson, encodeJson } from "../../base/json.ts";
import { agentDescriptor } from "./proto/generated/agent.ts";

/** The version of the protocol that is spoken here. */
export const PROTOCOL = 1;

/** Largest message in either direction; payloads are smaller. */
export const MESSAGE_BYTES_MAX = 4_194_304;

/** The trailer that holds one of etask's error codes. */
export const CODE_TRAILER = "etask-code";

/** Asks an agent to run a method for one attempt. */
export interface CallRequest {
  readonly protocol: number;
  readonly incarnation: string;
  readonly task: string;
  readonly attempt: number;
  readonly fence: number;
  readonly method: string;
  readonly input: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** An error as it travels. */
export interface FailureMessage {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
  readonly cause?: FailureMessage | null;
  readonly final?: boolean;
  readonly retryAfterMs?: number;
}

/** What an agent says about a call, one of these at a time. */
export type CallEvent =
  | { readonly event: "accepted"; readonly accepted: object }
  | {
      readonly event: "progress";
      readonly progress: { readonly percent: number; readonly detail: Buffer };
    }
  | { readonly event: "log"; readonly log: { readonly text: string } }
  | { readonly event: "result"; readonly result: { readonly output: Buffer } }
  | { readonly event: "failure"; readonly failure: FailureMessage };

/** Tells the handler of a call to stop. */
export interface CancelRequest {
  readonly task: string;
  readonly fence: number;
  readonly reason: string;
}

/** How an agent is. */
export interface HealthResponse {
  readonly protocol: number;
  readonly incarnation: string;
  readonly serving: boolean;
  readonly running: number;
  readonly version: string;
}

/** The methods of the service, as gRPC takes them for servers and for clients. */
export interface AgentService {
  readonly Call: MethodDefinition<CallRequest, CallEvent>;
  readonly Cancel: MethodDefinition<CancelRequest, { readonly found: boolean }>;
  readonly Health: MethodDefinition<object, HealthResponse>;
}

const descriptor = agentDescriptor as Parameters<typeof fromJSON>[0];
const definitions = fromJSON(descriptor, { longs: Number, defaults: true, oneofs: true });

/** The service of every agent. */
export const AGENT_SERVICE = definitions["etask.agent.v1.Agent"] as unknown as AgentService;

const NOTHING = Buffer.alloc(0);

/** A value as bytes of JSON; `undefined` as none. */
export function encodeValue(value: unknown): Buffer {
  return value === undefined ? NOTHING : encodeJson(value);
}

/** @throws RecordMalformedError (`RECORD_MALFORMED`) when the bytes are not JSON. */
export function decodeValue(bytes: Uint8Array): unknown {
  return bytes.byteLength === 0 ? undefined : decodeJson(bytes);
}

const TRACE_HEADERS = ["traceparent", "tracestate", "baggage"];
const ASCII = /^[\x20-\x7e]*$/;

/** The trace context in a task's headers, as gRPC metadata, where tracers look for it. */
export function traceMetadata(headers: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const name of TRACE_HEADERS) {
    const value = headers[name];
    if (value !== undefined && ASCII.test(value)) metadata.set(name, value);
  }
  return metadata;
}

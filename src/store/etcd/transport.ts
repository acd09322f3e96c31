/**
 * The seam between the driver and gRPC: two kinds of call on one connection, bytes in and what
 * `decode` makes of bytes out. Everything above decides on {@link RpcError} alone and never sees
 * the library.
 */
export interface Transport {
  /**
   * Sends one request and resolves with its one answer.
   *
   * @throws RpcError when the call fails, is not answered within `timeoutMs`, or `decode` throws.
   */
  unary<Answer>(call: UnaryCall<Answer>): Promise<Answer>;

  /** Opens a stream in both directions. It connects by itself; nothing is thrown. */
  duplex<Message>(call: DuplexCall<Message>): Duplex;

  /** Ends the connection; calls under way fail. */
  close(): void;
}

/** One request that has one answer. */
export interface UnaryCall<Answer> {
  /** Service and method, as in `KV/Range`. */
  readonly method: string;
  readonly request: Uint8Array;
  readonly headers: Headers;
  readonly timeoutMs: number;
  readonly decode: (bytes: Uint8Array) => Answer;
}

/** A stream to be opened. */
export interface DuplexCall<Message> {
  readonly method: string;
  readonly headers: Headers;
  /** When it throws, the stream ends. */
  readonly decode: (bytes: Uint8Array) => Message;
  onMessage(message: Message): void;
  /** Called once, also after {@link Duplex.cancel}; nothing comes after it. */
  onEnd(reason: RpcError): void;
}

/** An open stream. */
export interface Duplex {
  /** Queues a message; it is dropped when the stream has ended. */
  send(message: Uint8Array): void;
  cancel(): void;
}

/** Call metadata, by lower-case name. */
export type Headers = Readonly<Record<string, string>>;

/** How a call failed: gRPC's status code and text, as they came. */
export class RpcError extends Error {
  readonly code: number;
  readonly text: string;

  constructor(code: number, text: string) {
    super(`gRPC status ${code}: ${text}`);
    this.code = code;
    this.text = text;
  }
}

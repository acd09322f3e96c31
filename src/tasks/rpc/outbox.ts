/**
 * What an agent's call has to say and has not sent yet.
 *
 * A handler never waits for its caller. While the stream takes nothing more, because the network or
 * the worker is slow, at most this is kept: the newest progress, {@link LOG_BYTES_MAX} of log lines
 * (the oldest are left out, and the log says how many), and the end. When the stream has room again
 * they are sent, lines before progress before the end. So a call costs a bounded amount of memory,
 * however much its handler has to tell.
 *
 * When the caller is gone everything is dropped, at once and from then on.
 */
import { Metadata, type ServerWritableStream, type status } from "@grpc/grpc-js";
import type { ErrorCode } from "../../base/errors.ts";
import { logLines } from "../../task/log.ts";
import { type CallEvent, type CallRequest, CODE_TRAILER } from "./protocol.ts";

/** Most that waits of a call's log, about, in bytes. */
export const LOG_BYTES_MAX = 65_536;

/** The stream of a call, as gRPC gives it to a server. */
export type CallStream = ServerWritableStream<CallRequest, CallEvent>;

/** Why a call ends without its handler's word. */
export interface Refusal {
  readonly status: status;
  readonly code: ErrorCode;
  readonly text: string;
}

/** See the essay above. */
export class Outbox {
  readonly #stream: CallStream;
  readonly #lines: string[] = [];
  #bytes = 0;
  #leftOut = 0;
  #progress: CallEvent | undefined;
  #end: CallEvent | undefined;
  #closed = false;

  constructor(stream: CallStream) {
    this.#stream = stream;
    stream.on("drain", () => this.#flush());
  }

  /** Says that the call is admitted. */
  accepted(): void {
    if (!this.#closed) this.#stream.write({ event: "accepted", accepted: {} });
  }

  /** Sends the progress, unless a newer one comes before it can be sent. */
  progress(percent: number, detail: Buffer): void {
    if (this.#over) return;
    this.#progress = { event: "progress", progress: { percent, detail } };
    this.#flush();
  }

  /** Sends lines of the log. */
  log(text: string): void {
    if (this.#over || text === "") return;
    // Of a text that is too long, its end.
    for (const line of logLines(text.slice(-LOG_BYTES_MAX))) {
      this.#lines.push(line);
      this.#bytes += sizeOf(line);
    }
    while (this.#bytes > LOG_BYTES_MAX) {
      this.#bytes -= sizeOf(this.#lines.shift() ?? "");
      this.#leftOut += 1;
    }
    this.#flush();
  }

  /** Ends the call with its result or failure, after everything else. */
  end(last: CallEvent): void {
    if (this.#over) return;
    this.#end = last;
    this.#flush();
  }

  /** Ends the call with a status; what has not been sent is dropped. */
  refuse({ status, code, text }: Refusal): void {
    if (this.#closed) return;
    this.close();
    const metadata = new Metadata();
    metadata.set(CODE_TRAILER, code);
    this.#stream.emit("error", { code: status, details: text, metadata });
  }

  /** Drops everything: nobody listens any more. */
  close(): void {
    this.#closed = true;
    this.#lines.length = 0;
    this.#progress = undefined;
    this.#end = undefined;
  }

  get #over(): boolean {
    return this.#closed || this.#end !== undefined;
  }

  #flush(): void {
    while (!this.#closed && !this.#stream.writableNeedDrain) {
      const next = this.#next();
      if (next === undefined) return;
      this.#stream.write(next);
      if (next !== this.#end) continue;
      this.close();
      this.#stream.end();
    }
  }

  #next(): CallEvent | undefined {
    if (this.#lines.length > 0) return { event: "log", log: { text: this.#takeLines() } };
    const progress = this.#progress;
    this.#progress = undefined;
    return progress ?? this.#end;
  }

  #takeLines(): string {
    const notice =
      this.#leftOut === 0
        ? []
        : [`… ${this.#leftOut} lines are left out: they came faster than they could be sent`];
    const text = [...notice, ...this.#lines].join("\n");
    this.#lines.length = 0;
    this.#bytes = 0;
    this.#leftOut = 0;
    return text;
  }
}

/** A character is up to three bytes of UTF-8. */
function sizeOf(line: string): number {
  return 3 * line.length + 1;
}

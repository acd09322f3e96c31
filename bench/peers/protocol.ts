import type { Connection } from "./contender.ts";

/**
 * What the process that measures says to the programs it starts, and what they answer: one JSON
 * object a line on the program's input and output. Each command has an `id`; its answer carries the
 * same one, with `value` or `error`. A worker also says on its own, at most every 50 ms, how many
 * tasks have ended: `{ "finished": n }`. A program ends when its input does.
 *
 * `bytes` is the size of a job's JSON; `forMs` ends a loop early, so that every command has a
 * bound in time and in count.
 */
export interface Commands {
  open: { readonly connection: Connection };
  prepare: { readonly queue: string };
  enqueue: Load & { readonly inFlight: number };
  bulk: Load & {
    readonly delayMs?: number;
    readonly progress?: { readonly forMs: number; readonly everyMs: number };
  };
  flow: {
    readonly queue: string;
    readonly rate: number;
    readonly forMs: number;
    /** The first tasks are not timed. */
    readonly warmMs: number;
    readonly bytes: number;
  };
  await: {
    readonly queue: string;
    readonly callers: number;
    readonly forMs: number;
    readonly bytes: number;
  };
  work: { readonly queue: string; readonly concurrency: number };
  stop: Record<never, never>;
}

interface Load {
  readonly queue: string;
  readonly count: number;
  readonly bytes: number;
  readonly forMs: number;
}

/** What each command is answered with. */
export interface Replies {
  open: null;
  prepare: null;
  enqueue: Sent;
  bulk: Sent;
  flow: FlowReply;
  await: AwaitReply;
  work: null;
  stop: WorkReply;
}

export interface Sent {
  readonly count: number;
  readonly ms: number;
}

/** Latencies in ms. */
export interface Latency {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface FlowReply {
  readonly sent: number;
  /** Due, but not enqueued, because too many were under way: it did not keep up. */
  readonly skipped: number;
  /** From enqueueing to the result in the producer's hands; absent where there is none. */
  readonly results?: Latency;
}

export interface AwaitReply {
  readonly calls: number;
  readonly ms: number;
  readonly results: Latency;
}

export interface WorkReply {
  readonly finished: number;
  /** When the first task started and the last one ended, in ms by the machine's clock. */
  readonly firstAt: number;
  readonly lastAt: number;
  readonly starts?: Latency;
  /** Progress reports that were made. */
  readonly updates: number;
}

/** A command as it is sent. */
export type Request = {
  [Name in keyof Commands]: { readonly id: number; readonly do: Name } & Commands[Name];
}[keyof Commands];

/** What a program writes. */
export type Message =
  | { readonly id: number; readonly value?: unknown; readonly error?: string }
  | { readonly finished: number };

/** Milliseconds by the machine's clock, finer than a millisecond, comparable between processes. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Sums up samples; NaN where there are none. */
export function latencyOf(samples: readonly number[]): Latency {
  const sorted = Float64Array.from(samples).sort();
  const at = (share: number) => sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}

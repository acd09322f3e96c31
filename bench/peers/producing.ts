import type { Client, Destination, Job } from "./contender.ts";
import {
  type AwaitReply,
  type Commands,
  type FlowReply,
  latencyOf,
  nowMs,
  type Sent,
} from "./protocol.ts";

/** Tasks of one bulk call, and bulk calls at once, for every contender. */
const CHUNK = 1_000;
const CHUNKS_IN_FLIGHT = 4;

/** A flow that has so many tasks under way does not keep up. */
const UNDER_WAY_MAX = 5_000;
const TICK_MS = 1;

/** How long the last tasks of a flow may take to come back. */
const LAST_MS_MAX = 30_000;

/** What the JSON of a job has besides its payload. */
const ENVELOPE_BYTES = 14;

/** Enqueues one task a call, `inFlight` callers at once. */
export function enqueueSingles(
  client: Client,
  { queue, count, inFlight, bytes, forMs }: Commands["enqueue"],
): Promise<Sent> {
  const job = jobOf(bytes);
  const to: Destination = { queue };
  return sendAll({ count, forMs, callers: inFlight, most: 1 }, () => client.enqueue(job, to));
}

/** Enqueues a thousand tasks a call, several calls at once. */
export function enqueueBulk(
  client: Client,
  { queue, count, bytes, forMs, delayMs, progress }: Commands["bulk"],
): Promise<Sent> {
  const job: Job = progress === undefined ? jobOf(bytes) : { ...jobOf(bytes), progress };
  const to: Destination = delayMs === undefined ? { queue } : { queue, delayMs };
  return sendAll({ count, forMs, callers: CHUNKS_IN_FLIGHT, most: CHUNK }, (size) =>
    client.enqueueMany(
      Array.from({ length: size }, () => job),
      to,
    ),
  );
}

interface Sending {
  readonly count: number;
  readonly forMs: number;
  readonly callers: number;
  /** Tasks of one call. */
  readonly most: number;
}

/** Sends `count` tasks, or as many as the time allows; every caller waits for its call. */
async function sendAll(
  { count, forMs, callers, most }: Sending,
  send: (size: number) => Promise<unknown>,
): Promise<Sent> {
  const startedAt = performance.now();
  const until = startedAt + forMs;
  let begun = 0;
  let done = 0;
  const caller = async () => {
    while (begun < count && performance.now() < until) {
      const size = Math.min(most, count - begun);
      begun += size;
      await send(size);
      done += size;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { count: done, ms: performance.now() - startedAt };
}

/**
 * Enqueues at the rate given, whether or not answers keep up. The clock of a task starts when it is
 * enqueued. Where the client can wait for results, the producer waits for all of them.
 */
export async function enqueueFlow(
  client: Client,
  { queue, rate, forMs, warmMs, bytes }: Commands["flow"],
): Promise<FlowReply> {
  const results: number[] = [];
  const underWay = new Set<Promise<void>>();
  const startedAt = performance.now();
  const elapsed = () => performance.now() - startedAt;
  const send = async () => {
    const timed = elapsed() >= warmMs;
    const at = nowMs();
    const job: Job = timed ? { ...jobOf(bytes), at } : jobOf(bytes);
    if (client.call === undefined) await client.enqueue(job, { queue });
    else await client.call(job, { queue });
    if (timed) results.push(nowMs() - at);
  };
  let sent = 0;
  let skipped = 0;
  let failure: unknown;
  while (elapsed() < forMs && failure === undefined) {
    for (const due = Math.floor((elapsed() * rate) / 1_000); sent + skipped < due; ) {
      if (underWay.size >= UNDER_WAY_MAX) {
        skipped += 1;
        continue;
      }
      sent += 1;
      const task: Promise<void> = send()
        .catch((error: unknown) => {
          failure ??= error;
        })
        .finally(() => underWay.delete(task));
      underWay.add(task);
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  await within(LAST_MS_MAX, Promise.all(underWay), () => `${underWay.size} tasks are missing`);
  if (failure !== undefined) throw failure;
  return { sent, skipped, ...(client.call && { results: latencyOf(results) }) };
}

/** Callers that each enqueue a task, wait for its result, and begin again. */
export async function awaitResults(
  client: Client,
  { queue, callers, forMs, bytes }: Commands["await"],
): Promise<AwaitReply> {
  const { call } = client;
  if (call === undefined) throw new Error("This client cannot wait for results.");
  const job = jobOf(bytes);
  const results: number[] = [];
  const startedAt = performance.now();
  const until = startedAt + forMs;
  const caller = async () => {
    while (performance.now() < until) {
      const calledAt = performance.now();
      await call.call(client, job, { queue });
      results.push(performance.now() - calledAt);
    }
  };
  const all = Promise.all(Array.from({ length: callers }, caller));
  await within(forMs + LAST_MS_MAX, all, () => `only ${results.length} results came`);
  const ms = performance.now() - startedAt;
  return { calls: results.length, ms, results: latencyOf(results) };
}

/** A job whose JSON has so many bytes. */
export function jobOf(bytes: number): Job {
  return { payload: "x".repeat(Math.max(0, bytes - ENVELOPE_BYTES)) };
}

/** @throws Error when `promise` takes longer. */
async function within<T>(ms: number, promise: Promise<T>, what: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`After ${ms} ms ${what()}.`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

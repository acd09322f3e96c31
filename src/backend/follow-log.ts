import type { Store } from "../store/store.ts";
import { HistoryLostError } from "../store/store-errors.ts";
import { type LogLine, type LogPage, readLog } from "../task/log.ts";
import { logRange } from "../task/log-keys.ts";
import type { Waiters } from "./waiters.ts";

/** What following a log needs. */
export interface FollowWorld {
  readonly store: Store;
  readonly waiters: Waiters;
}

/**
 * The lines of a task's log after the one of number `after`, and those that come, until the task
 * has ended or `signal` aborts. Lines that were dropped before they could be read are missing; the
 * numbers tell.
 */
export async function* followLog(
  { store, waiters }: FollowWorld,
  id: string,
  after: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<LogLine, void> {
  let last = after;
  const rest = function* ({ lines }: LogPage): Generator<LogLine, void> {
    for (const line of lines) {
      last = line.line;
      yield line;
    }
  };
  const ended = new AbortController();
  const over = new AbortController();
  const stops = AbortSignal.any(signal ? [signal, over.signal] : [over.signal]);
  const end = waiters.wait(id, undefined, stops).finally(() => ended.abort());
  // A wait that failed ends the following too, and is looked at below.
  end.catch(() => {});
  try {
    while (!ended.signal.aborted) {
      const changes = changesOf(store, id, ended.signal);
      for await (const _change of changes) yield* rest(await readLog(store, id, { after: last }));
    }
    if (!signal?.aborted) await end;
    yield* rest(await readLog(store, id, { after: last }));
  } finally {
    over.abort();
  }
}

/** Yields at once, and whenever the log has changed, until `signal` aborts or history is lost. */
async function* changesOf(store: Store, id: string, signal: AbortSignal): AsyncGenerator<void> {
  const range = logRange(id);
  const { revision } = await store.range(range, { limit: 1 });
  yield;
  try {
    for await (const _batch of store.watch(range, { after: revision, signal })) yield;
  } catch (error) {
    if (!(error instanceof HistoryLostError)) throw error;
  }
}

/**
 * Election of one leader among any number of candidates, in as many processes.
 *
 * The leader is whoever holds the key: it stands on a session's lease, so it goes when the leader
 * stops, or within the lease's time when its process dies. A candidate holds nothing: it follows
 * the key, and when the key is gone it opens a session of its own under it. One of many succeeds,
 * because the key must be absent; the others follow again. The key is looked at afresh once in a
 * lease's time, for the case that a watch fell silent.
 *
 * Two leaders at once are possible for moments: the lease of the first one is gone, and its process
 * has not noticed yet. So what a leader does must do no harm when two do it; leadership only saves
 * work. A leader that finds its session lost, or its key gone or not its own, stops leading and
 * becomes a candidate again. The lease is renewed on this very thread: a process whose event loop
 * is blocked cannot do what a leader does, and another one should.
 *
 * When the store is away nobody is elected, and a leader stops after 0.9 of its lease. A process
 * that dies between grant and put leaves a lease without a key.
 */
import { type LoopWorld, runLoop } from "../base/loop.ts";
import { keyRange } from "../store/range.ts";
import type { Entry, Store, WatchBatch } from "../store/store.ts";
import { StoreRefusedError } from "../store/store-errors.ts";
import { follow } from "./follower.ts";
import { openSession, type Session } from "./session.ts";

/** What is stood for. */
export interface ElectionOptions {
  readonly key: string;
  /** The key's value: must differ from that of every other candidate. */
  readonly value: () => Uint8Array;
  /** How long after the leader's death the key goes. */
  readonly ttlMs: number;
}

/**
 * Stands for election until `signal` aborts. Each time it is won `lead` is called with the session
 * and a signal that aborts when leadership ends; when `lead` returns the session is closed. Throws
 * what the store throws, after which it can be called again.
 */
export async function standForElection(
  store: Store,
  world: LoopWorld,
  options: ElectionOptions,
  signal: AbortSignal,
  lead: (session: Session, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    await untilVacant(store, world, options, signal);
    if (signal.aborted) return;
    const session = await tryToWin(store, world, options);
    if (!session) continue;
    const over = new AbortController();
    const ends = AbortSignal.any([signal, session.lost, over.signal]);
    const watching = runLoop("leader key", world, ends, (until) =>
      untilDeposed(store, session, over, until),
    );
    // At once, and not when the last call of what was led has been answered.
    ends.addEventListener("abort", () => void session.close(), { once: true });
    try {
      await lead(session, ends);
    } finally {
      over.abort();
      await Promise.all([session.close(), watching]);
    }
  }
}

/** Aborts `over` when the key is no longer the session's, as after a restore or by hand. */
function untilDeposed(
  store: Store,
  { key, createRevision }: Session,
  over: AbortController,
  signal: AbortSignal,
): Promise<void> {
  const check = (entry: Entry | undefined) => {
    if (entry?.createRevision !== createRevision) over.abort();
  };
  const sink = {
    reset: ([entry]: readonly Entry[]) => check(entry),
    apply: ({ events }: WatchBatch) => {
      for (const event of events) check(event.type === "put" ? event.entry : undefined);
    },
  };
  return follow(store, keyRange(key), sink, signal);
}

async function tryToWin(
  store: Store,
  world: LoopWorld,
  { key, value, ttlMs }: ElectionOptions,
): Promise<Session | undefined> {
  try {
    return await openSession(store, world, { key, value: value(), ttlMs, here: true });
  } catch (error) {
    // Somebody else was faster.
    if (error instanceof StoreRefusedError && (await store.get(key))) return undefined;
    throw error;
  }
}

async function untilVacant(
  store: Store,
  { clock }: LoopWorld,
  { key, ttlMs }: ElectionOptions,
  signal: AbortSignal,
): Promise<void> {
  const vacant = new AbortController();
  const sink = {
    reset: (entries: readonly Entry[]) => {
      if (entries.length === 0) vacant.abort();
    },
    apply: ({ events }: WatchBatch) => {
      if (events.at(-1)?.type === "delete") vacant.abort();
    },
  };
  while (!vacant.signal.aborted && !signal.aborted) {
    const round = new AbortController();
    const cancel = clock.after(ttlMs, () => round.abort());
    try {
      const ends = AbortSignal.any([signal, vacant.signal, round.signal]);
      await follow(store, keyRange(key), sink, ends);
    } finally {
      cancel();
    }
  }
}

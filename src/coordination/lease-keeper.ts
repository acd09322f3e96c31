/**
 * Keeps one lease alive, off the thread that runs user code.
 *
 * Why a thread: a handler may block the event loop for longer than the lease lives. That is bad
 * manners, not death, and must not cost the worker its tasks. So the renewals run in a
 * `worker_thread` with a store of its own, opened from the store's URL; the two threads share 16
 * bytes: when the last answered renewal was *sent*, and whether the store said that the lease is
 * gone. A store without a URL (the memory driver) lives in one thread alone and is renewed there,
 * and so is a lease that says whether this very thread gets its work done.
 *
 * Renewals are sent every third of the lease's time. When the store is away the thread goes on
 * trying; `lastAnsweredAt` then ages, and the session above decides what that means.
 *
 * If the process dies, the thread dies with it and the lease expires. If only the thread dies (out
 * of memory, say), the renewals stop, `lastAnsweredAt` ages, and the session ends itself in time.
 */

import type { Worker as Thread } from "node:worker_threads";
import type { Clock } from "../base/clock.ts";
import { createDeferred } from "../base/deferred.ts";
import { publish } from "../base/events.ts";
import type { LoopWorld } from "../base/loop.ts";
import { pause } from "../base/loop.ts";
import { startThread } from "../base/thread.ts";
import type { Lease, Store } from "../store/store.ts";
import { LeaseLostError, StoreUnavailableError } from "../store/store-errors.ts";

const READY_MS_MAX = 30_000;
const STOP_MS_MAX = 5_000;

/** What the thread is given at its start. */
export interface LeaseThreadData {
  readonly url: string;
  readonly board: SharedArrayBuffer;
}

/** What the thread is told. */
export type LeaseThreadMessage = { readonly keep: Lease } | { readonly stop: true };

/** Renews one lease, from `keep` to `stop`. */
export interface LeaseKeeper {
  /** Starts renewing `lease`, whose grant was asked for at monotonic time `grantedAt`. */
  keep(lease: Lease, grantedAt: number): void;
  /** Monotonic time at which the last renewal that was answered had been sent. */
  lastAnsweredAt(): number;
  /** Whether the store said that the lease is gone. */
  lost(): boolean;
  /** Ends the renewals; the lease then expires unless it is revoked. Idempotent. */
  stop(): Promise<void>;
}

/** The 16 bytes that both threads see. */
export class LeaseBoard {
  readonly #answered: Float64Array;
  readonly #lost: Int32Array;

  constructor(shared: SharedArrayBuffer) {
    this.#answered = new Float64Array(shared, 0, 1);
    this.#lost = new Int32Array(shared, 8, 1);
  }

  get answeredAt(): number {
    return this.#answered[0] as number;
  }

  set answeredAt(ms: number) {
    this.#answered[0] = ms;
  }

  get lost(): boolean {
    return Atomics.load(this.#lost, 0) === 1;
  }

  setLost(): void {
    Atomics.store(this.#lost, 0, 1);
  }
}

/**
 * Gets ready to keep a lease alive, on a thread of its own unless `here`. Resolves when the thread
 * has opened its store, so that a lease that is granted afterwards is renewed from its first third
 * on.
 *
 * @throws StoreUnavailableError (`STORE_UNAVAILABLE`) when the thread cannot open its store in
 *   time.
 */
export async function startLeaseKeeper(
  store: Store,
  world: LoopWorld,
  here = false,
): Promise<LeaseKeeper> {
  const shared = new SharedArrayBuffer(16);
  const board = new LeaseBoard(shared);
  const renewer =
    here || store.url === undefined
      ? renewHere(store, board, world)
      : await renewInThread({ url: store.url, board: shared }, world);
  let stopped: Promise<void> | undefined;
  return {
    keep: (lease, grantedAt) => {
      board.answeredAt = grantedAt;
      renewer.keep(lease);
    },
    lastAnsweredAt: () => board.answeredAt,
    lost: () => board.lost,
    stop: () => {
      stopped ??= renewer.stop();
      return stopped;
    },
  };
}

interface Renewer {
  keep(lease: Lease): void;
  stop(): Promise<void>;
}

function renewHere(store: Store, board: LeaseBoard, world: LoopWorld): Renewer {
  const ending = new AbortController();
  let running: Promise<void> | undefined;
  return {
    keep: (lease) => {
      running = renewLease(store, lease, board, world, ending.signal);
    },
    stop: async () => {
      ending.abort();
      await running;
    },
  };
}

async function renewInThread(data: LeaseThreadData, { clock }: LoopWorld): Promise<Renewer> {
  const thread = startThread(new URL("./lease-thread.ts", import.meta.url), data);
  const ready = createDeferred<void>();
  const late = () =>
    ready.reject(new StoreUnavailableError("The lease thread could not open the store.", "no"));
  const cancel = clock.after(READY_MS_MAX, late);
  thread.once("message", () => ready.resolve());
  // Later a thread that fails shows as renewals that stop, which the session watches.
  thread.on("error", late);
  thread.once("exit", late);
  try {
    await ready.promise;
  } catch (error) {
    await stopThread(thread, clock);
    throw error;
  } finally {
    cancel();
  }
  thread.unref();
  return {
    keep: (lease) => thread.postMessage({ keep: lease } satisfies LeaseThreadMessage),
    stop: () => stopThread(thread, clock),
  };
}

/**
 * Asks the thread to end and waits for that. It is never terminated from outside: a thread that is
 * ended in the middle of an embedded transaction would take the write lock of all processes with
 * it.
 */
async function stopThread(thread: Thread, clock: Clock): Promise<void> {
  const ended = createDeferred<void>();
  thread.once("exit", () => ended.resolve());
  thread.postMessage({ stop: true } satisfies LeaseThreadMessage);
  const cancel = clock.after(STOP_MS_MAX, () => ended.resolve());
  thread.ref();
  await ended.promise;
  thread.unref();
  cancel();
}

/**
 * Renews until `signal` aborts or the lease is gone. Never rejects. Pauses, also those after an
 * error, are parts of the lease's time, so that a short lease survives a short outage.
 */
export async function renewLease(
  store: Store,
  lease: Lease,
  board: LeaseBoard,
  world: LoopWorld,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted && !board.lost) {
    const sentAt = world.clock.monotonic();
    let pauseMs = lease.ttlMs / 3;
    try {
      await store.keepAlive(lease.id);
      board.answeredAt = sentAt;
    } catch (error) {
      if (error instanceof LeaseLostError) {
        board.setLost();
        return;
      }
      pauseMs = lease.ttlMs / 20;
      if (!signal.aborted) publish("etask:loop:failed", { loop: "lease", error });
    }
    await pause(world, pauseMs, signal);
  }
}

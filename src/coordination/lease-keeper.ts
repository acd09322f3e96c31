/**
 * Keeps one lease alive, off the thread that runs user code.
 *
 * Why a thread: a handler may block the event loop for longer than the lease lives. That is bad
 * manners, not death, and must not cost the worker its tasks. So the renewals run in a
 * `worker_thread` with a store of its own, opened from the store's URL; the two threads share 16
 * bytes: when the last answered renewal was *sent*, and whether the store said that the lease is
 * gone. A store without a URL (the memory driver) lives in one thread alone and is renewed there.
 *
 * Renewals are sent every third of the lease's time. When the store is away the thread goes on
 * trying; `lastAnsweredAt` then ages, and the session above decides what that means.
 *
 * If the process dies, the thread dies with it and the lease expires. If only the thread dies (out of
 * memory, say), the renewals stop, `lastAnsweredAt` ages, and the session ends itself in time.
 */
import type { LoopWorld } from "../base/loop.ts";
import { pause, runLoop } from "../base/loop.ts";
import { startThread } from "../base/thread.ts";
import type { Lease, Store } from "../store/store.ts";
import { LeaseLostError } from "../store/store-errors.ts";

/** What the thread is given. */
export interface LeaseThreadData {
  readonly url: string;
  readonly lease: Lease;
  readonly board: SharedArrayBuffer;
}

/** Renewals of one lease, under way until `stop`. */
export interface LeaseKeeper {
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

/** Starts renewing `lease`, whose grant was asked for at monotonic time `grantedAt`. */
export function keepLease(
  store: Store,
  lease: Lease,
  grantedAt: number,
  world: LoopWorld,
): LeaseKeeper {
  const shared = new SharedArrayBuffer(16);
  const board = new LeaseBoard(shared);
  board.answeredAt = grantedAt;
  const stop =
    store.url === undefined
      ? renewHere(store, lease, board, world)
      : renewInThread({ url: store.url, lease, board: shared });
  let stopped: Promise<void> | undefined;
  return {
    lastAnsweredAt: () => board.answeredAt,
    lost: () => board.lost,
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

function renewHere(
  store: Store,
  lease: Lease,
  board: LeaseBoard,
  world: LoopWorld,
): () => Promise<void> {
  const ending = new AbortController();
  const running = renewLease(store, lease, board, world, ending.signal);
  return async () => {
    ending.abort();
    await running;
  };
}

function renewInThread(data: LeaseThreadData): () => Promise<void> {
  const thread = startThread(new URL("./lease-thread.ts", import.meta.url), data);
  thread.unref();
  // A thread that fails shows as renewals that stop, which the session watches; nothing else to do.
  thread.on("error", () => {});
  return async () => {
    await thread.terminate();
  };
}

/** Renews until `signal` aborts or the lease is gone. Never rejects. */
export async function renewLease(
  store: Store,
  lease: Lease,
  board: LeaseBoard,
  world: LoopWorld,
  signal: AbortSignal,
): Promise<void> {
  await runLoop("lease", world, signal, async () => {
    while (!signal.aborted && !board.lost) {
      const sentAt = world.clock.monotonic();
      try {
        await store.keepAlive(lease.id);
        board.answeredAt = sentAt;
      } catch (error) {
        if (!(error instanceof LeaseLostError)) throw error;
        board.setLost();
        return;
      }
      await pause(world, lease.ttlMs / 3, signal);
    }
  });
}

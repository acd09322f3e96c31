/**
 * A session: one key in the store that exists exactly while its process is believed alive.
 *
 * The key is attached to a lease, alone, because the cost of a lease grows with its keys. Its
 * create revision names the session: every write that needs the session to be alive is guarded by
 * `alive()`, so once the key is gone nothing can be written under the session, whatever its process
 * believes. That guard is the only proof; everything local is manners.
 *
 * `lost` aborts when the store says that the lease is gone, and also when no renewal was answered
 * for 0.9 of the lease's time: from then on others may rightly have taken over, and a process that
 * is cut off should stop what it does instead of doing it twice. Renewals run off the main thread,
 * so a blocked event loop does not end a session, unless it asks for that; the check merely happens
 * late. A session that is lost closes itself: were it renewed when the store is back, its key would
 * say that somebody still holds what nobody holds any more.
 *
 * If the process dies, the lease expires and the key goes. If it dies between grant and put, the
 * lease expires without a key. After `close()` the key is gone at once.
 */
import { setMaxListeners } from "node:events";
import type { CancelTimer } from "../base/clock.ts";
import type { LoopWorld } from "../base/loop.ts";
import { type Guard, keyAbsent, keyCreatedAt, put } from "../store/part.ts";
import type { Lease, Revision, Store } from "../store/store.ts";
import { StoreRefusedError } from "../store/store-errors.ts";
import { type LeaseKeeper, startLeaseKeeper } from "./lease-keeper.ts";

const TRUST = 0.9;
const CHECK_MS_MAX = 500;

/** What a session is made of. */
export interface SessionOptions {
  /** Must not exist yet: put chance into it, never a host name. */
  readonly key: string;
  readonly value: Uint8Array;
  /** How long after the process's death the key goes. */
  readonly ttlMs: number;
  /**
   * Renew on this thread: the session then also ends when the event loop is blocked for too long.
   * Default false.
   */
  readonly here?: boolean;
}

/** See the essay above. */
export class Session implements AsyncDisposable {
  readonly key: string;
  readonly lease: Lease;
  /** The revision that created the key. */
  readonly createRevision: Revision;
  readonly #store: Store;
  readonly #world: LoopWorld;
  readonly #keeper: LeaseKeeper;
  readonly #lost = new AbortController();
  #cancelCheck: CancelTimer = () => {};
  #closed: Promise<void> | undefined;

  constructor(
    store: Store,
    world: LoopWorld,
    key: string,
    held: { lease: Lease; createRevision: Revision; keeper: LeaseKeeper },
  ) {
    this.#store = store;
    this.#world = world;
    this.key = key;
    this.lease = held.lease;
    this.createRevision = held.createRevision;
    this.#keeper = held.keeper;
    // Every take that waits for the store listens; Node would warn of a leak at the eleventh.
    setMaxListeners(0, this.#lost.signal);
    this.#check();
  }

  /** Aborts when the session is over, or must be taken to be. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Guard every write with this that only a live session may make. */
  alive(): Guard {
    return keyCreatedAt(this.key, this.createRevision);
  }

  /**
   * Puts another value at the session's key. Returns whether it did: not when the session is over.
   *
   * @throws StoreError when the store did not, or not certainly, take it.
   */
  async put(value: Uint8Array): Promise<boolean> {
    const { key, lease } = this;
    const writes = [put(key, value, lease.id)];
    const part = { guards: [this.alive()], writes, witness: key };
    const [result] = await this.#store.commit([part]);
    return result?.applied === true;
  }

  /**
   * Ends the session and deletes its key, if the store can be reached; else the lease expires.
   * Never rejects.
   */
  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #end(): Promise<void> {
    this.#cancelCheck();
    await this.#keeper.stop();
    await this.#store.revoke(this.lease.id).catch(() => {});
  }

  #check(): void {
    const silentMs = this.#world.clock.monotonic() - this.#keeper.lastAnsweredAt();
    if (this.#keeper.lost() || silentMs > this.lease.ttlMs * TRUST) {
      this.#lost.abort(new Error("The session is lost."));
      // When the store is away the lease expires by itself.
      this.close().catch(() => {});
      return;
    }
    const ms = Math.min(CHECK_MS_MAX, this.lease.ttlMs / 10);
    this.#cancelCheck = this.#world.clock.after(ms, () => this.#check());
  }
}

/**
 * Opens a session.
 *
 * @throws StoreRefusedError (`STORE_REFUSED`) when the key exists already.
 */
export async function openSession(
  store: Store,
  world: LoopWorld,
  { key, value, ttlMs, here }: SessionOptions,
): Promise<Session> {
  const keeper = await startLeaseKeeper(store, world, here);
  try {
    const askedAt = world.clock.monotonic();
    const lease = await store.grant(ttlMs);
    keeper.keep(lease, askedAt);
    const [result] = await store.commit([
      { guards: [keyAbsent(key)], writes: [put(key, value, lease.id)], witness: key },
    ]);
    if (!result?.applied) throw new StoreRefusedError(`The session key ${key} exists already.`);
    return new Session(store, world, key, { lease, createRevision: result.revision, keeper });
  } catch (error) {
    await keeper.stop();
    throw error;
  }
}

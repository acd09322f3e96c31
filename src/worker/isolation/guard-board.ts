/**
 * What a runner process's main thread and its guard know of each other, without a message for each
 * attempt: whether something runs, and whether the guard sleeps.
 *
 * The main thread says that it is busy, then looks whether the guard sleeps. The guard says that it
 * goes to sleep, then looks whether the main thread is busy. So one of the two always notices.
 */
const BUSY = 0;
const ASLEEP = 1;

/** See the essay above. */
export class GuardBoard {
  readonly #flags: Int32Array;

  constructor(shared: SharedArrayBuffer = new SharedArrayBuffer(8)) {
    this.#flags = new Int32Array(shared);
  }

  /** What the other thread makes its board of. */
  get shared(): SharedArrayBuffer {
    return this.#flags.buffer as SharedArrayBuffer;
  }

  get busy(): boolean {
    return Atomics.load(this.#flags, BUSY) === 1;
  }

  /** Says whether something runs. Returns whether the guard has to be woken. */
  setBusy(busy: boolean): boolean {
    Atomics.store(this.#flags, BUSY, busy ? 1 : 0);
    return busy && Atomics.exchange(this.#flags, ASLEEP, 0) === 1;
  }

  /** Says that the guard goes to sleep. Returns whether it may. */
  fallAsleep(): boolean {
    Atomics.store(this.#flags, ASLEEP, 1);
    if (!this.busy) return true;
    // Whoever takes the flag back is the one who goes on; the main thread would send a message.
    return Atomics.exchange(this.#flags, ASLEEP, 0) === 0;
  }
}

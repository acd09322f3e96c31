/**
 * The places in which handlers run: never more than `capacity` are in use. A task whose handler has
 * ended leaves its place before its outcome is recorded, so that the next handler need not wait for
 * the store; but no more than `capacity` outcomes may be under way, so a store that is away stops
 * the taking.
 *
 * A handler that goes on although its attempt was ended is a zombie. It leaves its place, too, but
 * of those there may be no more than `capacity` either.
 *
 * The capacity may change. After it has shrunk, more places may be in use than there are until
 * their handlers have ended.
 */
export class Slots {
  readonly #onFree: () => void;
  #capacity: number;
  #running = 0;
  #recording = 0;
  #zombies = 0;
  #peak = 0;

  /** `onFree` is called whenever there may be a free place. */
  constructor(capacity: number, onFree: () => void) {
    this.#capacity = capacity;
    this.#onFree = onFree;
  }

  get capacity(): number {
    return this.#capacity;
  }

  /** How many tasks may be taken now. */
  get free(): number {
    const places = this.#capacity - this.#running;
    const tasks = 2 * this.#capacity - this.#running - this.#recording;
    return Math.max(0, Math.min(places, tasks));
  }

  /** Handlers that run, or are about to. */
  get used(): number {
    return this.#running;
  }

  /** Changes how many places there are. */
  resize(capacity: number): void {
    const more = capacity > this.#capacity;
    this.#capacity = capacity;
    if (more) this.#onFree();
  }

  /** Occupies `count` places, which must be free. */
  occupy(count: number): void {
    if (count > this.free) throw new RangeError(`${count} slots asked for, ${this.free} are free.`);
    this.#running += count;
    this.#peak = Math.max(this.#peak, this.#running);
  }

  /** The most places in use at one time since this was asked last. */
  takePeak(): number {
    const peak = this.#peak;
    this.#peak = this.#running;
    return peak;
  }

  /** Frees `count` places whose tasks were not taken after all. */
  release(count: number): void {
    this.#running -= count;
    this.#onFree();
  }

  /** Frees a place: its handler has ended, its outcome is being recorded. */
  handlerEnded(): void {
    this.#running -= 1;
    this.#recording += 1;
    this.#onFree();
  }

  /** Asks whether one more zombie may leave its place; then say when it has ended. */
  admitZombie(): boolean {
    if (this.#zombies >= this.#capacity) return false;
    this.#zombies += 1;
    return true;
  }

  /** Takes note that a zombie that had left its place has ended. */
  zombieEnded(): void {
    this.#zombies -= 1;
  }

  /** Takes note that an outcome is recorded, or given up. */
  recorded(): void {
    this.#recording -= 1;
    this.#onFree();
  }
}

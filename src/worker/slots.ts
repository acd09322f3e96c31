/** The places in which tasks run: never more than `capacity` are in use. */
export class Slots {
  readonly capacity: number;
  readonly #onFree: () => void;
  #used = 0;

  /** `onFree` is called whenever a place becomes free. */
  constructor(capacity: number, onFree: () => void) {
    this.capacity = capacity;
    this.#onFree = onFree;
  }

  get free(): number {
    return this.capacity - this.#used;
  }

  get used(): number {
    return this.#used;
  }

  /** Occupies `count` places, which must be free. */
  occupy(count: number): void {
    if (count > this.free) throw new RangeError(`${count} slots asked for, ${this.free} are free.`);
    this.#used += count;
  }

  /** Frees `count` places. */
  release(count: number): void {
    this.#used -= count;
    this.#onFree();
  }
}

/** Lets so many acts be under way at once; others wait for their turn, first come, first served. */
export class Turnstile {
  readonly #most: number;
  readonly #waiting = new Set<() => void>();
  #underWay = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Does `act` when it is its turn. */
  async pass<T>(act: () => Promise<T>): Promise<T> {
    if (this.#underWay < this.#most) this.#underWay += 1;
    else await new Promise<void>((resolve) => this.#waiting.add(resolve));
    try {
      return await act();
    } finally {
      this.#leave();
    }
  }

  /** The place goes to the next one at once, so that nobody who comes now is faster. */
  #leave(): void {
    const [next] = this.#waiting;
    if (next) {
      this.#waiting.delete(next);
      next();
    } else {
      this.#underWay -= 1;
    }
  }
}

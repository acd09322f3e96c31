import { Turnstile } from "./turnstile.ts";

/**
 * Acts on one key go one after the other, first come, first served; those on others do not wait.
 */
export class TurnByKey {
  readonly #turns = new Map<string, { readonly turnstile: Turnstile; users: number }>();

  /** Does `act` when it is its turn at `key`. */
  async pass<T>(key: string, act: () => Promise<T>): Promise<T> {
    const turn = this.#turns.get(key) ?? { turnstile: new Turnstile(1), users: 0 };
    this.#turns.set(key, turn);
    turn.users += 1;
    try {
      return await turn.turnstile.pass(act);
    } finally {
      turn.users -= 1;
      if (turn.users === 0) this.#turns.delete(key);
    }
  }
}

import { createHash } from "node:crypto";

const LINES_KEPT = 40_000;

/** Everything that happened in a run, as lines: a hash of all of them, and the last ones. */
export class Trace {
  readonly #hash = createHash("sha256");
  #lines: string[] = [];
  #count = 0;

  /** How many lines there were. */
  get count(): number {
    return this.#count;
  }

  /** Adds what happened at a virtual time. */
  note(at: number, what: string): void {
    const line = `${at.toFixed(3)} ${what}`;
    this.#hash.update(line).update("\n");
    this.#count += 1;
    this.#lines.push(line);
    if (this.#lines.length > 2 * LINES_KEPT) this.#lines = this.#lines.slice(-LINES_KEPT);
  }

  /** The last lines that hold one of the texts. */
  last(count: number, ...texts: readonly string[]): string[] {
    const found: string[] = [];
    for (let index = this.#lines.length - 1; index >= 0 && found.length < count; index -= 1) {
      const line = this.#lines[index] as string;
      if (texts.some((text) => line.includes(text))) found.push(line);
    }
    return found.reverse();
  }

  /** Two runs that did the same have the same digest. Call it once, at the end. */
  digest(): string {
    return this.#hash.digest("hex");
  }
}

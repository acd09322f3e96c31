import { StringDecoder } from "node:string_decoder";

/**
 * Reads bytes as lines of UTF-8 text, ended by `\n`, `\r\n`, or the `\r` by which programs write
 * over a line again. A line of more than `lengthMax` characters comes in pieces.
 */
export class LineSplitter {
  readonly #lengthMax: number;
  readonly #decoder = new StringDecoder("utf8");
  #rest = "";
  #afterReturn = false;

  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
  }

  /** The lines that end in this chunk. */
  push(chunk: Buffer): readonly string[] {
    let text = this.#decoder.write(chunk);
    if (text === "") return [];
    // The other half of a `\r\n` whose first half ended the chunk before.
    if (this.#afterReturn && text.startsWith("\n")) text = text.slice(1);
    this.#afterReturn = text.endsWith("\r");
    const lines = (this.#rest + text).split(/\r\n|\n|\r/);
    this.#rest = lines.pop() ?? "";
    const whole = lines.flatMap((line) => this.#pieces(line));
    if (this.#rest.length < this.#lengthMax) return whole;
    const begun = [this.#pieces(this.#rest)].flat();
    this.#rest = "";
    return [...whole, ...begun];
  }

  /** What came after the last line. */
  end(): readonly string[] {
    const last = this.#rest + this.#decoder.end();
    this.#rest = "";
    return last === "" ? [] : [this.#pieces(last)].flat();
  }

  #pieces(line: string): string | readonly string[] {
    if (line.length <= this.#lengthMax) return line;
    return Array.from({ length: Math.ceil(line.length / this.#lengthMax) }, (_, index) =>
      line.slice(index * this.#lengthMax, (index + 1) * this.#lengthMax),
    );
  }
}

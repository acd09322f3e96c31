/** More than so many pieces are made one. */
const CHUNKS_MAX = 64;

/** Keeps the last `bytesMax` bytes of what is pushed, and counts the rest. */
export class TailBuffer {
  readonly #bytesMax: number;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #cutBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.byteLength;
    // Whole chunks go as soon as what is behind them fills the bound; the rest is cut when read.
    for (let first = this.#chunks[0]; first; first = this.#chunks[0]) {
      if (this.#bytes - first.byteLength < this.#bytesMax) break;
      this.#chunks.shift();
      this.#bytes -= first.byteLength;
      this.#cutBytes += first.byteLength;
    }
    // A program that writes byte by byte must not cost an object for each of them.
    if (this.#chunks.length > CHUNKS_MAX) {
      this.#chunks.splice(0, this.#chunks.length, Buffer.concat(this.#chunks));
    }
  }

  /** How many bytes of the beginning are not there any more. */
  get cutBytes(): number {
    return this.#cutBytes + Math.max(0, this.#bytes - this.#bytesMax);
  }

  /** What is kept, as UTF-8; what is not UTF-8 is shown as U+FFFD. */
  text(): string {
    const kept = Buffer.concat(this.#chunks).subarray(-this.#bytesMax);
    // A character that was cut in the middle goes as a whole.
    const broken = this.cutBytes > 0 ? kept.findIndex((byte) => (byte & 0xc0) !== 0x80) : 0;
    return kept.subarray(broken > 0 && broken <= 3 ? broken : 0).toString("utf8");
  }
}

/** The terminal: a log that scrolls, and below it a panel that is redrawn in place. */
import type { WriteStream } from "node:tty";
import { type Line, type Look, textOf } from "./view.ts";

const SYNC = ["\x1b[?2026h", "\x1b[?2026l"] as const;
const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";
const PLAIN: Look = { columns: Number.MAX_SAFE_INTEGER, colours: false, unicode: true };

/** A terminal that can be redrawn, or anything else that takes lines. */
export class Screen {
  /** Whether a panel can be drawn. */
  readonly live: boolean;
  readonly #out: WriteStream;
  readonly #env: NodeJS.ProcessEnv;
  #waiting: Line[] = [];
  #drawn: readonly number[] = [];

  constructor(out: WriteStream, env: NodeJS.ProcessEnv) {
    this.#out = out;
    this.#env = env;
    this.live = out.isTTY === true && env.TERM !== "dumb";
    if (this.live) out.write(HIDE_CURSOR);
  }

  /** What can be shown now; a window may change its size. */
  get look(): Look {
    if (!this.live) return PLAIN;
    const { LC_ALL, LC_CTYPE, LANG, NO_COLOR } = this.#env;
    return {
      columns: this.#out.columns || 80,
      colours: !NO_COLOR,
      unicode: /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || "utf-8"),
    };
  }

  /** Adds a line to the log: at once, or above the panel with its next drawing. */
  log(line: Line): void {
    if (this.live) this.#waiting.push(line);
    else this.#out.write(`${textOf(line, this.look)}\n`);
  }

  /** Draws the log's new lines and the panel, in one write so that nothing flickers. */
  draw(panel: readonly Line[]): void {
    if (!this.live) return;
    const { look } = this;
    const fits = panel.slice(0, Math.max(0, (this.#out.rows || 24) - 1));
    const lines = fits.map((line) => `${textOf(line, look)}${CLEAR_LINE}`);
    this.#out.write(
      `${SYNC[0]}${this.#home()}${this.#takeLog()}${lines.join("\n")}${CLEAR_BELOW}${SYNC[1]}`,
    );
    this.#drawn = fits.map((line) => widthOf(line, look));
  }

  /** Takes the panel away and gives the terminal back. Idempotent. */
  close(): void {
    if (!this.live) return;
    this.#out.write(`${this.#home()}${this.#takeLog()}${CLEAR_BELOW}${SHOW_CURSOR}`);
    this.#drawn = [];
  }

  /** Back to the first column of the panel's first line, also when the window became narrower. */
  #home(): string {
    const { columns } = this.look;
    const rows = this.#drawn.reduce(
      (sum, width) => sum + Math.max(1, Math.ceil(width / columns)),
      0,
    );
    return rows > 1 ? `\r\x1b[${rows - 1}A` : "\r";
  }

  #takeLog(): string {
    const { look } = this;
    // A long line of the log may be wrapped: it is written once and never drawn over.
    const wide = { ...look, columns: Number.MAX_SAFE_INTEGER };
    const text = this.#waiting.map((line) => `${textOf(line, wide)}${CLEAR_LINE}\n`).join("");
    this.#waiting = [];
    return text;
  }
}

function widthOf(line: Line, { columns }: Look): number {
  const width = line.reduce((sum, { text }) => sum + [...text].length, 0);
  return Math.min(width, columns);
}

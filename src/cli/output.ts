import { inspect } from "node:util";

/** As much of a stream as the output needs; `process.stdout` is one. */
export interface OutputStream {
  readonly isTTY?: boolean;
  write(text: string, written?: (error?: Error | null) => void): boolean;
}

/** Where the program writes, and what its environment says about it. */
export interface OutputWorld {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The colours that are used, by what they say. */
export type Colour = "good" | "warn" | "bad" | "faint" | "strong";

const STYLES = {
  good: "green",
  warn: "yellow",
  bad: "red",
  faint: "dim",
  strong: "bold",
} as const;

/**
 * Everything that the commands say. What was asked for goes to stdout, as text or as one JSON value
 * a line; remarks and errors go to stderr, in the same form.
 *
 * Text from tasks is shown without control characters, so that it cannot steer the terminal.
 * Colours appear on a terminal only, and not with `NO_COLOR` (https://no-color.org).
 */
export class Output {
  readonly #world: OutputWorld;
  #json = false;

  constructor(world: OutputWorld) {
    this.#world = world;
  }

  /** Whether everything is said in JSON. */
  get json(): boolean {
    return this.#json;
  }

  /** Whether stdout is a terminal. */
  get terminal(): boolean {
    return this.#world.stdout.isTTY === true;
  }

  /** Says everything in JSON from now on. */
  useJson(): void {
    this.#json = true;
  }

  /** Text that has its line ends already, such as help. */
  text(text: string): void {
    this.#world.stdout.write(text);
  }

  /** The same, for help that nobody asked for. */
  textAside(text: string): void {
    this.#world.stderr.write(text);
  }

  /** One line of text. */
  line(text: string): void {
    this.#world.stdout.write(`${text}\n`);
  }

  /** One line of JSON. */
  record(value: unknown): void {
    this.#world.stdout.write(`${jsonLine(value)}\n`);
  }

  /** Aligned columns under a line of titles. */
  table(titles: readonly string[], rows: readonly (readonly string[])[]): void {
    const all = [titles, ...rows].map((row) => row.map(printable));
    const widths = titles.map((_, column) =>
      Math.max(...all.map((row) => (row[column] ?? "").length)),
    );
    for (const [index, row] of all.entries()) {
      const cells = row.map((cell, column) => cell.padEnd(widths[column] ?? 0));
      const text = cells.join("  ").trimEnd();
      this.line(index === 0 ? this.paint("faint", text) : text);
    }
  }

  /** A remark on stderr; `facts` are for programs that read it. */
  note(message: string, facts: Readonly<Record<string, unknown>> = {}): void {
    if (this.#json) this.#complain(jsonLine({ level: "note", message, ...facts }));
    else this.#complain(printable(message));
  }

  /** An error on stderr: what went wrong, then what to do, with the code to look up. */
  error(message: string, { code, hint, failure, stack }: ErrorFacts): void {
    if (this.#json) {
      this.#complain(jsonLine({ level: "error", code, message, hint, failure, stack }));
      return;
    }
    const paint = (colour: Colour, text: string) => paintOn(this.#world, "stderr", colour, text);
    this.#complain(`${paint("bad", "etask:")} ${printable(message)}`);
    const said = [hint, code && `(${code})`].filter((text) => text !== undefined).join(" ");
    if (said !== "") this.#complain(paint("faint", `hint: ${printable(said)}`));
    if (stack !== undefined) this.#complain(stack);
  }

  /** Text in a colour, where stdout shows colours. */
  paint(colour: Colour, text: string): string {
    return paintOn(this.#world, "stdout", colour, text);
  }

  /** Resolves when everything said so far has been handed to the operating system. */
  async flushed(): Promise<void> {
    const { stdout, stderr } = this.#world;
    for (const stream of [stdout, stderr]) {
      await new Promise<void>((resolve) => {
        stream.write("", () => resolve());
      });
    }
  }

  #complain(text: string): void {
    this.#world.stderr.write(`${text}\n`);
  }
}

/** What an error says besides its message. */
export interface ErrorFacts {
  readonly code: string | undefined;
  readonly hint: string | undefined;
  /** What the task's handler threw, when that is the error. */
  readonly failure?: unknown;
  /** Only for those who debug. */
  readonly stack?: string | undefined;
}

/** Text without control characters, on one line. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, (character) =>
    character === "\n" || character === "\t" ? " " : "\ufffd",
  );
}

/** How long ago something was, in one unit: `42s`, `5m`, `3h`, `2d`. */
export function ageText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** A duration in the largest unit that it is a whole number of: `90s`, `1h`, `1500ms`. */
export function durationText(ms: number): string {
  const [text = "ms", unit = 1] = UNITS.find(([, each]) => ms % each === 0) ?? [];
  return `${ms / unit}${text}`;
}

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
] as const;

function paintOn(
  { env, ...streams }: OutputWorld,
  stream: "stdout" | "stderr",
  colour: Colour,
  text: string,
): string {
  const plain = streams[stream].isTTY !== true || env.NO_COLOR || env.TERM === "dumb";
  if (plain) return text;
  // Not `styleText`: some versions of it look at the process's own stream instead of ours.
  const [on, off] = inspect.colors[STYLES[colour]] ?? [0, 0];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}

/** JSON escapes the lower control characters by itself; a terminal obeys the upper ones, too. */
function jsonLine(value: unknown): string {
  return (JSON.stringify(value) ?? "null").replace(
    /[\p{Cc}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

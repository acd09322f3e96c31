/**
 * The log of a task: lines of text that its attempts leave, kept with it until it is removed.
 *
 * It is a ring of {@link LOG_SLOTS} entries of at most {@link LOG_CHUNK_BYTES_MAX} each, so the
 * newest lines are always there, and the oldest go without a write of their own. Lines are numbered
 * through all attempts, so a reader sees what is missing and can go on where it was.
 */
import { InvalidOptionsError } from "../base/errors.ts";
import { requireInteger, requireKnownKeys, shown } from "../base/options.ts";
import type { Store } from "../store/store.ts";
import { decodeLog } from "./decode.ts";
import { LOG_SLOTS, logRange } from "./log-keys.ts";
import type { LogRecord } from "./records.ts";
import { readOr } from "./task-reader.ts";

/** Largest entry of a log, about, in bytes. */
export const LOG_CHUNK_BYTES_MAX = 32_768;

/** Longest line of a log, in characters; a longer one is cut. */
export const LOG_LINE_LENGTH_MAX = 4_096;

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) when what is to be logged is not text. */
export function requireLogText(text: unknown): asserts text is string {
  if (typeof text !== "string") {
    throw new InvalidOptionsError(`log takes text; got ${shown(text)}.`);
  }
}

/** The lines of a text as they are kept, without what ends them; a cut one ends in "…". */
export function logLines(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.length > 1 && lines.at(-1) === "") lines.pop();
  return lines.map((line) =>
    line.length <= LOG_LINE_LENGTH_MAX ? line : `${line.slice(0, LOG_LINE_LENGTH_MAX - 1)}…`,
  );
}

/** Which lines of a log. */
export interface LogOptions {
  /** Only the lines after the one of this number. Default: all that are kept. */
  readonly after?: number;
}

/** One line of a task's log. */
export interface LogLine {
  /** Its number, from 0, through all attempts. */
  readonly line: number;
  readonly at: Date;
  readonly attempt: number;
  readonly text: string;
}

/** What is kept of a task's log. */
export interface LogPage {
  readonly lines: readonly LogLine[];
  /** How many lines before these, after the one asked for, are no longer kept. */
  readonly dropped: number;
}

/** Reads the entries of a log, in the order of their lines. */
export async function readLogRecords(store: Store, id: string): Promise<LogRecord[]> {
  const { entries } = await store.range(logRange(id), { limit: LOG_SLOTS });
  const records = entries.flatMap((entry) => readOr(entry, decodeLog) ?? []);
  return records.sort((a, b) => a.chunk - b.chunk);
}

/**
 * Reads what is kept of a task's log; nothing for a task that there is not.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed.
 */
export async function readLog(
  store: Store,
  id: string,
  options: LogOptions = {},
): Promise<LogPage> {
  requireKnownKeys("log", options, ["after"]);
  const after = requireInteger("after", options.after ?? -1, -1, Number.MAX_SAFE_INTEGER);
  const lines: LogLine[] = [];
  for (const { first, lines: its } of await readLogRecords(store, id)) {
    for (const [index, [at, attempt, text]] of its.entries()) {
      const line = first + index;
      if (line > after) lines.push({ line, at: new Date(at), attempt, text });
    }
  }
  const oldest = lines[0]?.line ?? after + 1;
  return { lines, dropped: oldest - after - 1 };
}

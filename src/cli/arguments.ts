import { open } from "node:fs/promises";
import { Option } from "commander";
import { InvalidOptionsError } from "../base/errors.ts";
import { shown } from "../base/options.ts";

/** Most that is read as an input; the largest payload that can be stored is smaller. */
const INPUT_BYTES_MAX = 4 * 1_048_576;
const HEADER = /^([^=]+)=(.*)$/s;

/**
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) unless the text is a whole number, not negative.
 */
export function wholeNumber(option: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidOptionsError(`${option} must be a whole number; got ${shown(text)}.`);
}

/** `--when`: on any host, or only on one that has room. */
export function whenOption(): Option {
  const text = "idle: only on a host that has room, after all others (default: always)";
  return new Option("--when <when>", text).choices(["always", "idle"]);
}

/** What `--preempt` does. */
export const PREEMPT_TEXT = "with --when idle: a host that becomes busy gives it back";

/** Milliseconds, or text with a unit, which is checked where it is used. */
export function durationArgument(text: string): number | string {
  return /^\d{1,15}$/.test(text) ? Number(text) : text;
}

/** Adds one more of an option that may be given several times. */
export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the header that is not `KEY=VALUE`. */
export function headersOf(
  pairs: readonly string[] | undefined,
): Record<string, string> | undefined {
  if (pairs === undefined) return undefined;
  const entries = pairs.map((pair) => {
    const [, key, value] = HEADER.exec(pair) ?? [];
    if (key === undefined || value === undefined) {
      throw new InvalidOptionsError(`--header must be KEY=VALUE; got ${shown(pair)}.`);
    }
    return [key, value] as const;
  });
  return Object.fromEntries(entries);
}

/**
 * Reads a task's input: JSON itself, `@file`, or `-` for what comes from `stdin`. Without, there
 * is no input.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) when there is no such file, or no JSON in it.
 */
export async function readInput(
  given: string | undefined,
  stdin: AsyncIterable<Uint8Array | string>,
): Promise<unknown> {
  if (given === undefined) return undefined;
  if (given === "-") return parseInput("stdin", await readAll("stdin", stdin));
  if (!given.startsWith("@")) return parseInput("--input", given);
  const path = given.slice(1);
  return parseInput(path, await readFileBounded(path));
}

async function readFileBounded(path: string): Promise<string> {
  try {
    await using file = await open(path);
    return await readAll(path, file.createReadStream({ autoClose: false }));
  } catch (error) {
    if (error instanceof InvalidOptionsError) throw error;
    throw new InvalidOptionsError(`--input names a file that cannot be read: ${path}.`, {
      cause: error,
    });
  }
}

async function readAll(what: string, stream: AsyncIterable<Uint8Array | string>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes > INPUT_BYTES_MAX) {
      throw new InvalidOptionsError(
        `The input from ${what} has more than ${INPUT_BYTES_MAX} bytes.`,
      );
    }
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks)
    .toString("utf8")
    .replace(/^\ufeff/, "");
}

function parseInput(from: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new InvalidOptionsError(`The input from ${from} must be JSON: ${why}.`, { cause: error });
  }
}

import { InvalidOptionsError } from "../base/errors.ts";
import {
  requireInteger,
  requireKnownKeys,
  requireOneOf,
  requireText,
  shown,
} from "../base/options.ts";
import { afterKey, inRange, type KeyRange } from "../store/range.ts";
import type { Entry, Store } from "../store/store.ts";
import { decodeFailed } from "../task/decode.ts";
import type { TaskFailure } from "../task/failure.ts";
import { failedRange, parseFailedKey } from "../task/keyspace.ts";
import { requireIdPrefix, requireQueue, requireTaskName } from "../task/names.ts";
import type { FailReason } from "../task/records.ts";
import { readOr } from "../task/task-reader.ts";

/** Which failed tasks are meant; all that are given must fit. */
export interface DeadLetterFilter {
  /** The queue that they waited in last. */
  readonly queue?: string;
  readonly reason?: FailReason;
  /** The name or the code of their error. */
  readonly error?: string;
  /** The name of the task. */
  readonly name?: string;
  /** How their ids begin. */
  readonly prefix?: string;
}

/** Which failed tasks to list. */
export interface DeadLetterListOptions extends DeadLetterFilter {
  /** At most this many, 1 to 1,000. Default 100. */
  readonly limit?: number;
  /** Where the last page ended. */
  readonly cursor?: string;
}

/** A task that has failed. `backend.get` shows all that is known of it. */
export interface DeadLetter {
  readonly id: string;
  readonly name: string;
  readonly queue: string;
  readonly reason: FailReason;
  /** Attempts begun. */
  readonly attempt: number;
  /** Name, code and the beginning of the message. */
  readonly error: TaskFailure;
  readonly failedAt: Date;
}

/** One page of failed tasks. A page may be short, even empty, before the last one. */
export interface DeadLetterPage {
  readonly letters: readonly DeadLetter[];
  /** Continues the listing; absent on the last page. */
  readonly cursor: string | undefined;
}

/** Why a task can fail, in the order of {@link FailReason}. */
export const FAIL_REASONS: readonly FailReason[] = [
  "error",
  "no-retry",
  "invalid",
  "timeout",
  "total-timeout",
  "worker-lost",
];

/** The options of {@link DeadLetterFilter}. */
export const FILTER_OPTIONS: readonly string[] = ["queue", "reason", "error", "name", "prefix"];

const ERROR_LENGTH_MAX = 200;
/** A page ends after so many entries, so that a rare kind does not read the whole index at once. */
const KEYS_READ_MAX = 20_000;

/** A filter that was checked: where to look, and what fits. */
export interface ResolvedFilter {
  readonly range: KeyRange;
  fits(letter: DeadLetter): boolean;
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the member that is not allowed. */
export function resolveFilter(given: DeadLetterFilter): ResolvedFilter {
  const queue = given.queue === undefined ? undefined : requireQueue(given.queue);
  const reason =
    given.reason === undefined ? undefined : requireOneOf("reason", given.reason, FAIL_REASONS);
  const error =
    given.error === undefined ? undefined : requireText("error", given.error, ERROR_LENGTH_MAX);
  const name = given.name === undefined ? undefined : requireTaskName(given.name);
  const prefix = given.prefix === undefined ? undefined : requireIdPrefix(given.prefix, "prefix");
  return {
    range: failedRange(queue),
    fits: (letter) =>
      (reason === undefined || letter.reason === reason) &&
      (error === undefined || letter.error.name === error || letter.error.code === error) &&
      (name === undefined || letter.name === name) &&
      (prefix === undefined || letter.id.startsWith(prefix)),
  };
}

/** Failed tasks by queue, the oldest failure of each first. Reads their index alone. */
export async function listDeadLetters(
  store: Store,
  options: DeadLetterListOptions,
): Promise<DeadLetterPage> {
  requireKnownKeys("deadLetters", options, [...FILTER_OPTIONS, "limit", "cursor"]);
  const filter = resolveFilter(options);
  const limit = requireInteger("limit", options.limit ?? 100, 1, 1_000);
  const { range } = filter;
  let start =
    options.cursor === undefined ? range.start : afterKey(cursorIn(range, options.cursor));
  const letters: DeadLetter[] = [];
  for (let keys = 0; keys < KEYS_READ_MAX; ) {
    const page = await store.range({ start, end: range.end });
    for (const [index, entry] of page.entries.entries()) {
      const letter = readLetter(entry);
      if (!letter || !filter.fits(letter)) continue;
      letters.push(letter);
      const last = !page.more && index === page.entries.length - 1;
      if (letters.length === limit) return { letters, cursor: last ? undefined : entry.key };
    }
    const lastKey = page.entries.at(-1)?.key;
    if (!page.more || lastKey === undefined) return { letters, cursor: undefined };
    keys += page.entries.length;
    start = afterKey(lastKey);
  }
  return { letters, cursor: start.slice(0, -1) };
}

/** Reads an entry of the index; `undefined`, and reported, when it is damaged or not ours. */
export function readLetter(entry: Entry): DeadLetter | undefined {
  const key = parseFailedKey(entry.key);
  const record = key && readOr(entry, decodeFailed);
  if (!key || !record) return undefined;
  const { name, reason, attempt, error } = record;
  const { id, queue, at } = key;
  return { id, name, queue, reason, attempt, error, failedAt: new Date(at) };
}

function cursorIn(range: KeyRange, cursor: unknown): string {
  if (typeof cursor === "string" && parseFailedKey(cursor) && inRange(range, cursor)) return cursor;
  throw new InvalidOptionsError(
    `cursor must be one that a listing of the same queue gave; got ${shown(cursor)}.`,
  );
}

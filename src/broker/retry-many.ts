/**
 * Runs many failed tasks once more, chosen by a filter over the index of dead letters.
 *
 * Each task is a commit of its own, held while it is as it was read, some under way at once, so any
 * number of calls may overlap and each task goes on once. A task that fails again meanwhile is a
 * new dead letter; a call retries no id twice. If the process dies, what was retried stays so, and
 * another call with the same filter does the rest.
 */
import type { IdSource } from "../base/ids.ts";
import type { LoopWorld } from "../base/loop.ts";
import { requireInteger, requireKnownKeys } from "../base/options.ts";
import { afterKey } from "../store/range.ts";
import type { Store } from "../store/store.ts";
import type { RedriveOptions } from "../task/control.ts";
import { TaskNotUniqueError } from "../task/failure.ts";
import { readTask } from "../task/task-reader.ts";
import { requireFree } from "./claim-holder.ts";
import {
  type DeadLetter,
  type DeadLetterFilter,
  FILTER_OPTIONS,
  readLetter,
  resolveFilter,
} from "./dead-letters.ts";
import type { Edit } from "./edit.ts";
import { redrivePart } from "./redrive.ts";
import { inLanes } from "./running-view.ts";

/** Which failed tasks to run once more, and how. */
export interface RetryManyOptions extends DeadLetterFilter {
  /** At most this many, 1 to 10,000. Default 1,000. */
  readonly limit?: number;
  /** Only say which would be. */
  readonly dryRun?: boolean;
  /** What is to change of each of them. */
  readonly change?: RedriveOptions;
}

/** What has become of them. */
export interface RetryManyReport {
  /** How many run once more; with `dryRun`, how many would. */
  readonly retried: number;
  /**
   * How many were not failed any more when their turn came, because somebody was faster, or are
   * unique by a key that another task has.
   */
  readonly skipped: number;
  /** The ids of the retried, the oldest failure of each queue first. */
  readonly ids: readonly string[];
  /** Whether there may be more that fit. */
  readonly more: boolean;
}

/** The most that one call of {@link retryMany} retries. */
export const RETRY_MANY_MAX = 10_000;

const PAGE = 500;
/** So many entries are looked at in one call. */
const KEYS_READ_MAX = 200_000;

/** What {@link retryMany} works with. */
export interface RetryManyWorld {
  readonly store: Store;
  readonly clock: LoopWorld["clock"];
  readonly nextSequence: IdSource;
  /** Checks and reads what is to change, for one kind of task. */
  readonly editFor: (name: string) => Promise<Edit>;
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed. */
export function checkRetryMany(options: RetryManyOptions): void {
  requireKnownKeys("retryMany", options, [...FILTER_OPTIONS, "limit", "dryRun", "change"]);
  requireInteger("limit", options.limit ?? 1_000, 1, RETRY_MANY_MAX);
  resolveFilter(options);
}

/** See the essay above. The options were checked by {@link checkRetryMany}. */
export async function retryMany(
  world: RetryManyWorld,
  options: RetryManyOptions,
): Promise<RetryManyReport> {
  const { limit = 1_000, dryRun = false } = options;
  const filter = resolveFilter(options);
  const seen = new Set<string>();
  const ids: string[] = [];
  let skipped = 0;
  let { start } = filter.range;
  for (let keys = 0; keys < KEYS_READ_MAX; ) {
    const page = await world.store.range({ start, end: filter.range.end }, { limit: PAGE });
    const letters = page.entries
      .flatMap((entry) => readLetter(entry) ?? [])
      .filter((letter) => filter.fits(letter) && !seen.has(letter.id));
    const chosen = letters.slice(0, limit - ids.length);
    for (const { id } of chosen) seen.add(id);
    const done = dryRun
      ? chosen.map(() => true)
      : await inLanes(chosen, (letter) => retryLetter(world, letter));
    ids.push(...chosen.filter((_, index) => done[index]).map(({ id }) => id));
    skipped += done.filter((each) => !each).length;
    const full = ids.length >= limit;
    const lastKey = page.entries.at(-1)?.key;
    if (full || !page.more || lastKey === undefined) {
      const more = full && (page.more || chosen.length < letters.length);
      return { retried: ids.length, skipped, ids, more };
    }
    keys += page.entries.length;
    start = afterKey(lastKey);
  }
  return { retried: ids.length, skipped, ids, more: true };
}

/**
 * Whether it was this call that retried it: somebody who was faster wanted the same, and of unique
 * tasks with one key one runs.
 */
async function retryLetter(
  { store, clock, nextSequence, editFor }: RetryManyWorld,
  { id, name, failedAt }: DeadLetter,
): Promise<boolean> {
  const task = await readTask(store, id);
  const same = task?.state?.state === "failed" && task.state.at === failedAt.getTime();
  if (!task || !same) return false;
  const at = clock.now();
  try {
    const claimSeen = await requireFree(store, task.spec, at);
    const facts = { at, sequence: nextSequence(), claimSeen };
    const [result] = await store.commit([redrivePart(task, await editFor(name), facts)]);
    return result?.applied === true;
  } catch (error) {
    if (error instanceof TaskNotUniqueError) return false;
    throw error;
  }
}

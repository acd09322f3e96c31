/**
 * Makes tasks ready whose time has come.
 *
 * Any number of promoters may run: each promotion is guarded by the due entry and the state as they
 * were read, so one of them wins and the others do nothing. Due entries are ordered by time, so a
 * scan names only what is due by now. What an entry says is in its key; keys that are not ours are
 * passed over. A task whose spec can no longer be read fails. Between scans the promoter sleeps
 * until the next entry it knows of is due, at most {@link SCAN_MS}.
 *
 * Never early: "now" is this process's wall clock. If the process dies, another promoter goes on;
 * if none runs, entries wait.
 */
import { type LoopWorld, pause } from "../base/loop.ts";
import { commitBulk } from "../broker/bulk.ts";
import { dropDuePart, failDuePart, promotePart } from "../broker/promote.ts";
import type { Part } from "../store/part.ts";
import { afterKey } from "../store/range.ts";
import type { Entry, Store } from "../store/store.ts";
import { decodeState } from "../task/decode.ts";
import { DEFAULT_RETENTION } from "../task/enqueue-options.ts";
import { dueRange, dueTime, idOfDueKey, laterDueRange, taskKey } from "../task/keyspace.ts";
import { isId } from "../task/names.ts";
import type { StateRecord } from "../task/records.ts";
import { readOr, readTask } from "../task/task-reader.ts";

const SCAN_MS = 500;
const BATCH_MAX = 40;

/** Promotes until `signal` aborts; throws what the store throws. */
export async function runPromoter(
  store: Store,
  world: LoopWorld,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const now = world.clock.now();
    await promoteDue(store, now, signal);
    await pause(world, await sleepMs(store, world, now), signal);
  }
}

async function promoteDue(store: Store, now: number, signal: AbortSignal): Promise<void> {
  const { end } = dueRange(now);
  let { start } = dueRange(now);
  for (let more = true; more && !signal.aborted; ) {
    const page = await store.range({ start, end }, { limit: BATCH_MAX });
    await promote(store, page.entries, now);
    const last = page.entries.at(-1);
    more = page.more && last !== undefined;
    if (last) start = afterKey(last.key);
  }
}

async function promote(store: Store, entries: readonly Entry[], now: number): Promise<void> {
  const parts = await Promise.all(
    entries.flatMap((due) => {
      const id = idOfDueKey(due.key);
      return isId(id) ? [partOf(store, due, id, now)] : [];
    }),
  );
  // In as many commits as it takes: what a task failed of before may be large.
  const { error } = await commitBulk(store, parts);
  if (error !== undefined) throw error;
}

async function partOf(store: Store, due: Entry, id: string, now: number): Promise<Part> {
  const task = await readTask(store, id);
  if (!task) return partWithoutSpec(store, due, id, now);
  return waitsFor(due, task.state) ? promotePart(due, task, now) : dropDuePart(due);
}

async function partWithoutSpec(store: Store, due: Entry, id: string, now: number): Promise<Part> {
  const entry = await store.get(taskKey(id, "state"));
  const state = entry && readOr(entry, decodeState);
  if (!entry || !state || !waitsFor(due, state)) return dropDuePart(due);
  const { failedMs } = DEFAULT_RETENTION;
  return failDuePart(due, entry, state, { id, at: now, failedMs });
}

function waitsFor(due: Entry, state: StateRecord | undefined): boolean {
  return state?.state === "scheduled" && state.dueAt === dueTime(due.key);
}

/** Half of the period with jitter, or less when something is due before. */
async function sleepMs(store: Store, world: LoopWorld, now: number): Promise<number> {
  const period = SCAN_MS * (0.75 + world.random.next() / 2);
  const next = await store.range(laterDueRange(now, now + period), { limit: 1 });
  const [first] = next.entries;
  const due = first && dueTime(first.key);
  return due === undefined ? period : Math.max(1, due - world.clock.now());
}

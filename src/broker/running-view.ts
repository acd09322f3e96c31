import type { Entry, Store } from "../store/store.ts";
import { decodeHand, decodeState } from "../task/decode.ts";
import { handKey, handRange, taskKey, workerOfHandKey } from "../task/keyspace.ts";
import { readOr } from "../task/task-reader.ts";

/** How many tasks are looked at by default; each costs a read. */
export const RUNNING_LOOKS_MAX = 2_000;

const HANDS_MAX = 1_000;
const READS_AT_ONCE = 16;

/** A task that is being run. */
export interface RunningTask {
  readonly id: string;
  /** Who took it; whether that worker still lives is not looked at. */
  readonly worker: string;
  /** The queue it was taken from. */
  readonly queue: string;
  readonly attempt: number;
  /** By the worker's clock. */
  readonly takenAt: Date | undefined;
}

/** What {@link listRunning} found. */
export interface RunningList {
  readonly tasks: readonly RunningTask[];
  /** Whether these are all; false when there were more to look at than the bounds allow. */
  readonly complete: boolean;
}

interface Held {
  readonly hand: string;
  readonly worker: string;
  readonly queue: string;
  readonly id: string;
}

/**
 * The tasks that are being run, of one worker or of all.
 *
 * What workers noted under `hand/` says where to look, each task's own state says whether it is so.
 * Tasks begin and end meanwhile, so this is no snapshot.
 */
export async function listRunning(
  store: Store,
  options: { worker?: string; looks?: number } = {},
): Promise<RunningList> {
  const looks = options.looks ?? RUNNING_LOOKS_MAX;
  const hands = await store.range(handRange(options.worker), { limit: HANDS_MAX });
  const held = hands.entries.flatMap(heldIn);
  const found = await inLanes(held.slice(0, looks), (each) => lookAt(store, each));
  return {
    tasks: found.filter((task) => task !== undefined),
    complete: !hands.more && held.length <= looks,
  };
}

function heldIn(entry: Entry): Held[] {
  const worker = workerOfHandKey(entry.key);
  const record = worker === undefined ? undefined : readOr(entry, decodeHand);
  if (worker === undefined || record === undefined) return [];
  return Object.entries(record.queues).flatMap(([queue, ids]) =>
    ids.map((id) => ({ hand: entry.key, worker, queue, id })),
  );
}

async function lookAt(
  store: Store,
  { hand, worker, queue, id }: Held,
): Promise<RunningTask | undefined> {
  const entry = await store.get(taskKey(id, "state"));
  const state = entry && readOr(entry, decodeState);
  if (state?.state !== "running" || state.worker !== worker) return undefined;
  // An older batch of the same worker may still list the task.
  if (state.hand === undefined || handKey(worker, state.hand) !== hand) return undefined;
  const takenAt = state.takenAt === undefined ? undefined : new Date(state.takenAt);
  return { id, worker, queue, attempt: state.attempt, takenAt };
}

/** Maps a list with a bounded number of calls under way; the results keep its order. */
export async function inLanes<In, Out>(
  items: readonly In[],
  map: (item: In) => Promise<Out>,
): Promise<Out[]> {
  const results = new Array<Out>(items.length);
  const pending = items.entries();
  const lane = async () => {
    for (const [index, item] of pending) results[index] = await map(item);
  };
  await Promise.all(Array.from({ length: Math.min(READS_AT_ONCE, items.length) }, lane));
  return results;
}

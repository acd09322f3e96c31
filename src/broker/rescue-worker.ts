/**
 * Puts all tasks of one vanished worker back, and finds workers that have left something behind.
 *
 * What a worker took is listed under `hand/{worker}/`, and once its key under `worker/` is gone the
 * list grows no more, because every take is guarded by that key. Each task is put back by a part of
 * its own, guarded by its fence and by the worker's absence; one that was refused, because somebody
 * wanted the task cancelled meanwhile, is judged anew. A list is forgotten when nothing on it is
 * left to do. If the process dies half-way, what is left under `hand/` is found by the next
 * rescuer.
 *
 * To see that nothing is left to do is to act on a read alone, and a read may be old: it may show a
 * task as it was before the worker took it. So the store is asked first for a revision at which a
 * guard found the worker gone, and what was read before that revision counts for nothing.
 */
import { publish } from "../base/events.ts";
import type { LoopWorld } from "../base/loop.ts";
import { del, keyAbsent, type Part } from "../store/part.ts";
import { afterKey, type KeyRange, prefixEnd } from "../store/range.ts";
import { requireSince } from "../store/read-since.ts";
import type { Entry, Revision, Store } from "../store/store.ts";
import { decodeHand } from "../task/decode.ts";
import { DEFAULT_RETENTION } from "../task/enqueue-options.ts";
import {
  handRange,
  signalRange,
  taskKey,
  workerKey,
  workerOfHandKey,
  workerOfSignalKey,
} from "../task/keyspace.ts";
import { positionOf } from "../task/position.ts";
import type { RetentionRecord } from "../task/records.ts";
import { readOr, readRecords, type StoredTask } from "../task/task-reader.ts";
import { readRetention } from "./queue-settings.ts";
import { forgetHandPart, LOST_WORKERS_MAX, orphanPart, rescuePart } from "./rescue.ts";

const HANDS_AT_ONCE = 20;
const READS_AT_ONCE = 16;
const PARTS_AT_ONCE = 40;
const SIGNALS_AT_ONCE = 30;
const TRIES_MAX = 5;

/** Who rescues whom. */
export interface RescueOf {
  /** The worker that vanished. */
  readonly worker: string;
  /** Who puts its tasks back. */
  readonly by: string;
}

/** With a revision at which the worker was gone. */
interface ProvenRescueOf extends RescueOf {
  readonly goneAt: Revision;
}

/**
 * The workers that have left anything under `hand/` or `signal/`, at the price of one short range
 * for each. One may come twice.
 */
export async function* workersWithTraces(store: Store): AsyncGenerator<string, void> {
  yield* workersUnder(store, handRange(), workerOfHandKey);
  yield* workersUnder(store, signalRange(), workerOfSignalKey);
}

async function* workersUnder(
  store: Store,
  { start, end }: KeyRange,
  workerOf: (key: string) => string | undefined,
): AsyncGenerator<string, void> {
  for (let from = start; ; ) {
    const page = await store.range({ start: from, end }, { limit: 1 });
    const [first] = page.entries;
    if (!first) return;
    const worker = workerOf(first.key);
    if (worker === undefined) from = afterKey(first.key);
    else {
      from = prefixEnd(`${start}${worker}/`);
      yield worker;
    }
  }
}

/**
 * Puts back what the worker still held; does nothing while its key exists. Publishes
 * `etask:task:rescued` for each task. Throws what the store throws.
 */
export async function rescueWorker(
  store: Store,
  world: LoopWorld,
  who: RescueOf,
  signal: AbortSignal,
): Promise<void> {
  const goneAt = await goneRevision(store, who.worker);
  if (goneAt === undefined) return;
  const { start, end } = handRange(who.worker);
  for (let from = start; !signal.aborted; ) {
    const page = await store.range({ start: from, end }, { limit: HANDS_AT_ONCE });
    requireSince(goneAt, page.revision);
    await rescueHands(store, world, { ...who, goneAt }, page.entries);
    const last = page.entries.at(-1);
    if (!page.more || !last) break;
    from = afterKey(last.key);
  }
  if (!signal.aborted) await clearSignals(store, who.worker);
}

/** A revision at which the worker had no key, by a guard; `undefined` when it may have one. */
async function goneRevision(store: Store, worker: string): Promise<Revision | undefined> {
  const key = workerKey(worker);
  if (await store.get(key)) return undefined;
  const [result] = await store.commit([{ guards: [keyAbsent(key)], writes: [del(key)] }]);
  return result?.applied ? result.revision : undefined;
}

/** Deletes what is left in the inbox of a worker that runs nothing any more. */
export async function clearSignals(store: Store, worker: string): Promise<void> {
  for (;;) {
    const { entries, more } = await store.range(signalRange(worker), { limit: SIGNALS_AT_ONCE });
    const writes = entries.map(({ key }) => del(key));
    if (writes.length > 0) await store.commit([{ guards: [], writes }]);
    if (!more) return;
  }
}

async function rescueHands(
  store: Store,
  world: LoopWorld,
  who: ProvenRescueOf,
  entries: readonly Entry[],
): Promise<void> {
  const hands = entries.flatMap((entry) => {
    const record = readOr(entry, decodeHand);
    return record ? [{ key: entry.key, ids: Object.values(record.queues).flat() }] : [];
  });
  // A task that this worker took again, after a failure, is listed by two of its batches.
  let left = [...new Set(hands.flatMap(({ ids }) => ids))];
  for (let tries = 0; left.length > 0 && tries < TRIES_MAX; tries += 1) {
    const rescues = await judgeAll(store, world, who, left);
    left = [];
    for (let index = 0; index < rescues.length; index += PARTS_AT_ONCE) {
      left.push(...(await commit(store, who, rescues.slice(index, index + PARTS_AT_ONCE))));
    }
  }
  // What cannot be read is left for people to look at, what keeps changing for the next rescuer.
  if (hands.length === 0 || left.length > 0) return;
  await store.commit(hands.map(({ key }) => forgetHandPart(key, who.worker)));
}

interface Rescue {
  readonly id: string;
  readonly part: Part;
  readonly state: "pending" | "failed" | "cancelled";
}

/** One part for each task that still runs under the vanished worker. */
async function judgeAll(
  store: Store,
  world: LoopWorld,
  who: ProvenRescueOf,
  ids: readonly string[],
): Promise<Rescue[]> {
  const rescues: Rescue[] = [];
  const left = ids.values();
  const lane = async () => {
    for (const id of left) {
      const rescue = await judge(store, world, who, id);
      if (rescue) rescues.push(rescue);
    }
  };
  await Promise.all(Array.from({ length: READS_AT_ONCE }, lane));
  return rescues;
}

async function judge(
  store: Store,
  { clock }: LoopWorld,
  { worker, by, goneAt }: ProvenRescueOf,
  id: string,
): Promise<Rescue | undefined> {
  const { task, state, stateRevision: modRevision, readRevision } = await readRecords(store, id);
  requireSince(goneAt, readRevision);
  if (state?.state !== "running" || state.worker !== worker) return undefined;
  const facts = { at: clock.now(), by, failedMs: DEFAULT_RETENTION.failedMs };
  const entry = { key: taskKey(id, "state"), modRevision };
  // A task whose spec cannot be read may have a state all the same.
  if (!task) return { id, part: orphanPart(entry, id, state, facts), state: "failed" };
  facts.failedMs = (await retentionOf(store, task)).failedMs;
  return { id, ...rescuePart(entry, state, task, facts) };
}

/** The queue is asked only where it is needed: few of the tasks end with their worker. */
async function retentionOf(store: Store, task: StoredTask): Promise<RetentionRecord> {
  const { spec, state, cancel } = task;
  const goesOn = !cancel && (state?.lost ?? 0) + 1 < LOST_WORKERS_MAX;
  if (goesOn) return DEFAULT_RETENTION;
  return readRetention(store, spec, positionOf(spec, state).queue);
}

/** The ids of those that were refused, because somebody else was faster or the task changed. */
async function commit(
  store: Store,
  { worker: from, by }: RescueOf,
  rescues: readonly Rescue[],
): Promise<string[]> {
  const results = await store.commit(rescues.map(({ part }) => part));
  return rescues.flatMap(({ id, state }, index) => {
    if (!results[index]?.applied) return [id];
    publish("etask:task:rescued", { id, from, by, state });
    return [];
  });
}

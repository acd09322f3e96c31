/**
 * Refuses new tasks while the store is nearly full, so that those which exist can still finish.
 *
 * What is compared with the quota is what records and history take, not the size of the file. etcd
 * does raise its alarm by the size of the file, but that never shrinks without a defragmentation,
 * and grows only when the space that is free in it does not suffice: the file can be at 90 % of the
 * quota for ever, half empty, and nothing is wrong. What is used is at most the size of the file,
 * it is what makes the file grow, and it falls when tasks are swept and history is compacted. So
 * admission recovers by itself, where the file's size would need an operator.
 *
 * There is one exception. etcd refuses a write, and raises the alarm, when file and write together
 * exceed the quota, however much is free in the file. So when less than {@link FILE_RESERVE_BYTES}
 * is left beside the file, which is a few of the largest commits, new tasks are refused until the
 * members were defragmented: the alternative is the alarm, which stops running tasks as well.
 *
 * *Accepting*, no key: at {@link CLOSE_SHARE} `beat/admission` is created; every enqueue is guarded
 * by its absence, in all processes from that revision on. *Refusing*, the key exists: below
 * {@link OPEN_SHARE} it is deleted. The key is the only state, so a new leader goes on where the
 * last one was, two leaders agree, and a key deleted by hand is made again. Both writes are
 * guarded. Deleting works also when the store is out of space.
 *
 * Without a leader nothing changes, and nothing is swept either. Nothing that somebody wants kept
 * is removed early to make room: retention and `keep` say what may go.
 */
import { publish } from "../base/events.ts";
import { type LoopWorld, pause } from "../base/loop.ts";
import { COMMIT_BYTES_MAX } from "../store/limits.ts";
import { del, keyAbsent, keyUnchanged, put } from "../store/part.ts";
import type { Store } from "../store/store.ts";
import { type StoreUsage, usedShare } from "../store/upkeep.ts";
import { ADMISSION_KEY } from "../task/keyspace.ts";
import { encodeRecord } from "../task/records.ts";

const CLOSE_SHARE = 0.8;
const OPEN_SHARE = 0.7;
/** At most this, and no more than a small quota can spare. */
const FILE_RESERVE_BYTES = 3 * COMMIT_BYTES_MAX;
const FILE_RESERVE_SHARE = 0.1;
const POLL_MS = 5_000;
/** A store that is half full may be filled by 30 % of a small quota within seconds. */
const POLL_CLOSELY_MS = 1_000;
const CLOSELY_SHARE = 0.5;

/** `beat/admission`: why no new task is accepted. */
export interface AdmissionRecord {
  readonly usedBytes: number;
  readonly fileBytes: number;
  readonly quotaBytes: number;
  /** Since when, by the leader's clock. */
  readonly at: number;
  readonly leader: string;
}

/** Watches until `signal` aborts; returns at once when the store has no quota of its own. */
export async function runSpaceWatch(
  store: Store,
  world: LoopWorld,
  signal: AbortSignal,
  { leader }: { readonly leader: string },
): Promise<void> {
  const { upkeep } = store;
  if (!upkeep) return;
  while (!signal.aborted) {
    const usage = await upkeep.usage();
    await adjust(store, usage, { at: world.clock.now(), leader });
    const closely = usage !== undefined && usedShare(usage) > CLOSELY_SHARE;
    await pause(world, closely ? POLL_CLOSELY_MS : POLL_MS, signal);
  }
}

async function adjust(
  store: Store,
  usage: StoreUsage | undefined,
  who: { readonly at: number; readonly leader: string },
): Promise<void> {
  const closed = await store.get(ADMISSION_KEY);
  if (closed && (!usage || hasRoom(usage, OPEN_SHARE))) {
    const guards = [keyUnchanged(ADMISSION_KEY, closed.modRevision)];
    const [result] = await store.commit([{ guards, writes: [del(ADMISSION_KEY)] }]);
    if (result?.applied) announce(true, usage);
  } else if (!closed && usage && !hasRoom(usage, CLOSE_SHARE)) {
    const value = encodeRecord({ ...usage, ...who } satisfies AdmissionRecord);
    const [result] = await store.commit([
      {
        guards: [keyAbsent(ADMISSION_KEY)],
        writes: [put(ADMISSION_KEY, value)],
        witness: ADMISSION_KEY,
      },
    ]);
    if (result?.applied) announce(false, usage);
  }
}

/** Whether less than `shareMax` is used, and the file is not at the quota. */
export function hasRoom(usage: StoreUsage, shareMax: number): boolean {
  const { fileBytes, quotaBytes } = usage;
  const reserve = Math.min(FILE_RESERVE_BYTES, FILE_RESERVE_SHARE * quotaBytes);
  return usedShare(usage) < shareMax && fileBytes < quotaBytes - reserve;
}

function announce(accepting: boolean, usage: StoreUsage | undefined): void {
  const { usedBytes = 0, quotaBytes = 0 } = usage ?? {};
  publish("etask:store:space", { accepting, usedBytes, quotaBytes });
}

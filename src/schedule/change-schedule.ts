/** Changes of schedules: read, decide, commit what holds as read. */
import type { LoopWorld } from "../base/loop.ts";
import { del, keyPresent, keyUnchanged, put } from "../store/part.ts";
import type { Entry, Revision, Store } from "../store/store.ts";
import { scheduleKey } from "../task/keyspace.ts";
import { encodeRecord } from "../task/records.ts";
import { nextTick } from "./rhythm.ts";
import { ScheduleConflictError, ScheduleNotFoundError } from "./schedule-errors.ts";
import { decodeSchedule, type ScheduleRecord } from "./schedule-record.ts";

/** Each try that fails is one that somebody else won, so this bounds how many may contend. */
const TRIES_MAX = 200;

/** A schedule as it was read. */
export interface StoredSchedule {
  readonly name: string;
  readonly record: ScheduleRecord;
  readonly revision: Revision;
}

/** What a change makes of a record; its nonce is put in by {@link changeSchedule}. */
export type ScheduleChange = Omit<ScheduleRecord, "nonce">;

/**
 * Reads a schedule, lets `change` make a new record of it and commits that, again while somebody
 * else is faster. When `change` returns `undefined`, the record stays as it is.
 *
 * @throws ScheduleConflictError (`SCHEDULE_CONFLICT`) when it changed under every one of 200 tries.
 * @throws ScheduleNotFoundError (`SCHEDULE_NOT_FOUND`) when there is none and none was made.
 */
export async function changeSchedule(
  store: Store,
  { random }: Pick<LoopWorld, "random">,
  name: string,
  change: (stored: StoredSchedule | undefined) => ScheduleChange | undefined,
): Promise<StoredSchedule> {
  const nonce = random.hex(8);
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const stored = await readSchedule(store, name);
    // After a lost answer and a tick in between, it is the nonce that says whose change it is.
    if (stored?.record.nonce === nonce) return stored;
    const changed = change(stored);
    if (changed === undefined) {
      if (stored) return stored;
      throw new ScheduleNotFoundError(name);
    }
    const record: ScheduleRecord = { ...changed, nonce };
    const key = scheduleKey(name);
    const [result] = await store.commit([
      {
        guards: [keyUnchanged(key, stored?.revision ?? 0)],
        writes: [put(key, encodeRecord(record))],
        witness: key,
      },
    ]);
    if (result?.applied) return { name, record, revision: result.revision };
  }
  throw new ScheduleConflictError(
    `The schedule ${name} kept changing while it was to be changed. Try again later.`,
  );
}

/**
 * Reads one schedule.
 *
 * @throws RecordMalformedError (`RECORD_MALFORMED`) when its record is damaged.
 */
export async function readSchedule(
  store: Store,
  name: string,
): Promise<StoredSchedule | undefined> {
  const entry = await store.get(scheduleKey(name));
  return entry && storedOf(name, entry);
}

/** @throws RecordMalformedError (`RECORD_MALFORMED`) when the entry is not a schedule. */
export function storedOf(name: string, entry: Entry): StoredSchedule {
  return { name, record: decodeSchedule(entry.value), revision: entry.modRevision };
}

/** Removes a schedule, whatever its record says; whether there was one. */
export async function removeSchedule(store: Store, name: string): Promise<boolean> {
  const key = scheduleKey(name);
  const [result] = await store.commit([{ guards: [keyPresent(key)], writes: [del(key)] }]);
  return result?.applied === true;
}

/** The record with its next instant reckoned anew, from `now` or the last one dealt with. */
export function withNextTick<Change extends ScheduleChange>(record: Change, now: number): Change {
  const { nextTick: _old, ...rest } = record;
  const tick = nextTick(record.definition.rhythm, Math.max(now, record.lastTick ?? 0));
  return (tick === undefined ? rest : { ...rest, nextTick: tick }) as Change;
}

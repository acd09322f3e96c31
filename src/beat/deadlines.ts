/**
 * Looks at tasks that must have been started, have ended or have obeyed by now.
 *
 * An entry under `deadline/` says when to look and at which task; the task itself says what must
 * have happened (`broker/overdue.ts`). An entry that says nothing any more is dropped, so whoever
 * starts or ends a task need not know of it. For a task that still runs the entry is moved on by
 * the time that its worker has to end it by itself. Each change is guarded by the entry and the
 * task as they were read, so any number of these loops do no harm.
 *
 * An entry may also name a claim whose time is over. That of a throttle goes; that of a debounce
 * goes once its task waits no longer, and is looked at again until then. A claim that says another
 * time has an entry of its own for that.
 *
 * If the process dies, another one goes on; if none runs, entries wait.
 */
import type { LoopWorld } from "../base/loop.ts";
import { holderOf } from "../broker/claim-holder.ts";
import { claimWrites, DEBOUNCE_LOOK_MS } from "../broker/claim-part.ts";
import { deadlineWrite } from "../broker/enqueue.ts";
import { endOverdue, forceAt, overdueState } from "../broker/overdue.ts";
import { del, keyUnchanged, type Part } from "../store/part.ts";
import type { Entry, Store } from "../store/store.ts";
import { recordsAsRead } from "../task/change.ts";
import { parseClaimDeadlineKey } from "../task/claim-keys.ts";
import { decodeClaim } from "../task/decode.ts";
import { deadlineRange, parseDeadlineKey } from "../task/keyspace.ts";
import { isId } from "../task/names.ts";
import { readOr, readRecords, type TaskRecords } from "../task/task-reader.ts";
import { lookAfter } from "./timed-index.ts";

const READS_AT_ONCE = 16;

/** Looks after deadlines until `signal` aborts; throws what the store throws. */
export function runDeadlines(store: Store, world: LoopWorld, signal: AbortSignal): Promise<void> {
  const index = {
    name: "deadlines",
    range: deadlineRange,
    timeOf: (key: string) => parseDeadlineKey(key)?.at,
    handle: async (entries: readonly Entry[], now: number) => {
      const left = entries.values();
      let done = true;
      const lane = async () => {
        for (const entry of left) if (!(await judge(store, entry, now))) done = false;
      };
      await Promise.all(Array.from({ length: READS_AT_ONCE }, lane));
      return done;
    },
  };
  return lookAfter(store, world, index, signal);
}

/** Whether the entry is dealt with; if not, the task had just changed. */
async function judge(store: Store, entry: Entry, now: number): Promise<boolean> {
  const claim = parseClaimDeadlineKey(entry.key);
  if (claim) return judgeClaim(store, entry, claim, now);
  const id = parseDeadlineKey(entry.key)?.id;
  if (!isId(id)) return true;
  const read = await readRecords(store, id);
  const { task } = read;
  const overdue = task && overdueState(task, now);
  if (overdue) return endOverdue(store, task, overdue, now, [del(entry.key)]);
  const [result] = await store.commit([passPart(entry, read, now)]);
  return result?.applied === true;
}

/** Likewise for an entry that names a claim. */
async function judgeClaim(
  store: Store,
  entry: Entry,
  { at, claim }: { readonly at: number; readonly claim: string },
  now: number,
): Promise<boolean> {
  const found = await store.get(claim);
  const record = found && readOr(found, decodeClaim);
  const asRead = [
    keyUnchanged(entry.key, entry.modRevision),
    keyUnchanged(claim, found?.modRevision ?? 0),
  ];
  const writes = [del(entry.key)];
  if (found && record && record.until === at) {
    const holder = await holderOf(store, found, now);
    if (!holder) writes.push(del(claim));
    else writes.push(...claimWrites(claim, { ...record, until: now + DEBOUNCE_LOOK_MS }));
  }
  const [result] = await store.commit([{ guards: asRead, writes }]);
  return result?.applied === true;
}

/** The entry has nothing more to say, or something later. */
function passPart(entry: Entry, read: TaskRecords, now: number): Part {
  const { task } = read;
  const next = task?.state?.state === "running" ? forceAt(task, now) : undefined;
  const moved = task && next !== undefined ? [deadlineWrite(next, task.spec.id)] : [];
  return {
    guards: [keyUnchanged(entry.key, entry.modRevision), ...recordsAsRead(read)],
    writes: [del(entry.key), ...moved],
  };
}

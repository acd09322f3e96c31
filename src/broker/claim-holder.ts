/** Who holds a claim: what its entry says, against what has become of the task that it names. */
import { del, keyUnchanged, type Part } from "../store/part.ts";
import { requireSince } from "../store/read-since.ts";
import type { Entry, Revision, Store } from "../store/store.ts";
import { claimOf } from "../task/claim.ts";
import { type ClaimKind, claimKey, parseClaimKey } from "../task/claim-keys.ts";
import { currentState } from "../task/current.ts";
import { decodeClaim } from "../task/decode.ts";
import { TaskNotUniqueError } from "../task/failure.ts";
import type { SpecRecord } from "../task/records.ts";
import { isFinal } from "../task/state.ts";
import { readOr, readRecords, type StoredTask } from "../task/task-reader.ts";

/** The task that holds a claim; `task` is known where its state decides that it does. */
export interface Holder {
  readonly id: string;
  readonly task: StoredTask | undefined;
}

/**
 * The holder of a claim; `undefined` when its entry is damaged or says nothing any more, so that
 * another task may have it while the entry stays as it is.
 *
 * @throws StoreUnavailableError (`STORE_UNAVAILABLE`) when the store shows what was before that.
 */
export async function holderOf(
  store: Store,
  entry: Entry,
  now: number,
): Promise<Holder | undefined> {
  const kind = parseClaimKey(entry.key)?.kind;
  const record = readOr(entry, decodeClaim);
  if (kind === undefined || !record) return undefined;
  const { id, until = 0 } = record;
  if (kind === "throttle") return until > now ? { id, task: undefined } : undefined;
  const { task, readRevision } = await readRecords(store, id);
  // The task was created together with the entry: an older read would not show it.
  requireSince(entry.modRevision, readRevision);
  if (!task || claimOf(task.spec) !== entry.key) return undefined;
  return holds(kind, task) ? { id, task } : undefined;
}

/** Deletes a claim that nobody holds. Held while it is as it was read. */
export function dropClaimPart({ key, modRevision }: Entry): Part {
  return { guards: [keyUnchanged(key, modRevision)], writes: [del(key)] };
}

/** Whether a task that a claim names holds it still. */
function holds(kind: Exclude<ClaimKind, "throttle">, { spec, state }: StoredTask): boolean {
  const current = currentState(spec, state);
  switch (kind) {
    case "unique":
      return !isFinal(current.state);
    case "debounce": {
      const { attempt, snoozed = 0 } = current;
      const waits = current.state === "scheduled" || current.state === "pending";
      return waits && attempt === 0 && snoozed === 0;
    }
  }
}

/**
 * The revision of what is left at the claim of a `unique` task that has ended and is to be made
 * anew; 0 when nothing is, or when it is not unique.
 *
 * @throws TaskNotUniqueError (`TASK_NOT_UNIQUE`) naming the task that holds it.
 */
export async function requireFree(
  store: Store,
  { id, name, unique }: SpecRecord,
  now: number,
): Promise<Revision> {
  if (unique === undefined) return 0;
  const entry = await store.get(claimKey("unique", name, unique));
  const holder = entry && (await holderOf(store, entry, now));
  if (!entry || !holder || holder.id === id) return entry?.modRevision ?? 0;
  throw new TaskNotUniqueError(id, unique, holder.id);
}

import { del, keyPresent, keyUnchanged, type Part } from "../store/part.ts";
import type { Revision } from "../store/store.ts";
import { decodeExpire } from "../task/decode.ts";
import { ATTEMPTS_KEPT, attemptKeys, failedKey, idOfExpireKey, taskKey } from "../task/keyspace.ts";
import { logKeys } from "../task/log-keys.ts";
import { isId } from "../task/names.ts";
import type { ExpireRecord } from "../task/records.ts";

/**
 * Removes an ended task with everything that belongs to it, as its expire entry says; `undefined`
 * when the key is not one of ours. Of an entry that says nothing, or something else, all that may
 * exist is deleted, except for a dead letter, whose key nothing tells.
 *
 * Held while the entry exists, and has not been written again since `modRevision` when that is
 * given: a removal takes the entry with it, so a task made anew under the same id is never swept by
 * an old entry. It only deletes, so it also works when the store is out of space, and it is
 * harmless twice.
 */
export function sweepPart(
  expireKey: string,
  value: Uint8Array,
  modRevision?: Revision,
): Part | undefined {
  const id = idOfExpireKey(expireKey);
  if (!isId(id)) return undefined;
  const record = readExpire(value);
  const { attempts = 0, logged } = record ?? { attempts: ATTEMPTS_KEPT, logged: true };
  const keys = [
    expireKey,
    taskKey(id, "spec"),
    taskKey(id, "state"),
    taskKey(id, "progress"),
    taskKey(id, "cancel"),
    ...attemptKeys(id, attempts),
    ...(logged ? logKeys(id) : []),
  ];
  if (record?.failedAt !== undefined) keys.push(failedKey(record.queue, record.failedAt, id));
  const guard =
    modRevision === undefined ? keyPresent(expireKey) : keyUnchanged(expireKey, modRevision);
  return { guards: [guard], writes: keys.map(del) };
}

/** What an expire entry says; `undefined` when it is empty or damaged, which needs no report. */
export function readExpire(value: Uint8Array): ExpireRecord | undefined {
  if (value.byteLength === 0) return undefined;
  try {
    return decodeExpire(value);
  } catch {
    return undefined;
  }
}

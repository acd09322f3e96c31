import { publish } from "../base/events.ts";
import type { Entry } from "../store/store.ts";
import { decodeReady } from "../task/decode.ts";
import { parseReadyKey } from "../task/keyspace.ts";
import { readOr } from "../task/task-reader.ts";
import type { ReadyEntry } from "./take.ts";

/** Reads an entry of the ready index; `undefined`, and reported, when it is not ours or damaged. */
export function readReady(entry: Entry): ReadyEntry | undefined {
  const position = parseReadyKey(entry.key);
  if (!position) {
    const reason = "The key is not one of a ready task.";
    publish("etask:record:malformed", { key: entry.key, reason });
    return undefined;
  }
  const record = readOr(entry, decodeReady);
  const { key, modRevision, value } = entry;
  return record && { key, modRevision, record, position, bytes: value.byteLength };
}

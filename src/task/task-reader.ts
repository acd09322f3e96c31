import { RecordMalformedError } from "../base/errors.ts";
import { publish } from "../base/events.ts";
import type { Entry, Revision, Store } from "../store/store.ts";
import { decodeAttempt, decodeCancel, decodeProgress, decodeSpec, decodeState } from "./decode.ts";
import { parseTaskKey, TASK_KEYS_MAX, taskKey, taskRange } from "./keyspace.ts";
import type {
  AttemptRecord,
  CancelRecord,
  ProgressRecord,
  SpecRecord,
  StateRecord,
} from "./records.ts";

/** What the store holds of one task, as of one revision. */
export interface StoredTask {
  readonly spec: SpecRecord;
  readonly state: StateRecord | undefined;
  readonly stateRevision: Revision;
  readonly progress: ProgressRecord | undefined;
  /** 0 when nothing was reported yet. */
  readonly progressRevision: Revision;
  /** Somebody wants a running task cancelled. */
  readonly cancel: CancelRecord | undefined;
  /** Earlier attempts that are remembered, in order. */
  readonly attempts: readonly AttemptRecord[];
  readonly specRevision: Revision;
  /** The newest revision among the records. */
  readonly revision: Revision;
  /** The revision at which all of it was read. */
  readonly readRevision: Revision;
}

/**
 * Reads one task; `undefined` when it does not exist or its records are damaged, which is reported.
 */
export async function readTask(store: Store, id: string): Promise<StoredTask | undefined> {
  const { entries, revision } = await store.range(taskRange(id), { limit: TASK_KEYS_MAX });
  return joinTask(entries, revision);
}

/**
 * What was read of a task, also where that makes none. The read may be old: who acts on what is
 * missing guards that, see `recordsAsRead`.
 */
export interface TaskRecords {
  readonly id: string;
  readonly task: StoredTask | undefined;
  /** Of the state, also without a spec; `undefined` when it is missing or damaged. */
  readonly state: StateRecord | undefined;
  /** 0 when there is none, as the next one. */
  readonly specRevision: Revision;
  readonly stateRevision: Revision;
  readonly readRevision: Revision;
}

/** Reads one task like {@link readTask}, and says what was seen when there is none. */
export async function readRecords(store: Store, id: string): Promise<TaskRecords> {
  const { entries, revision } = await store.range(taskRange(id), { limit: TASK_KEYS_MAX });
  const spec = entries.find(({ key }) => key === taskKey(id, "spec"));
  const state = entries.find(({ key }) => key === taskKey(id, "state"));
  const task = joinTask(entries, revision);
  return {
    id,
    task,
    state: task ? task.state : state && readOr(state, decodeState),
    specRevision: spec?.modRevision ?? 0,
    stateRevision: state?.modRevision ?? 0,
    readRevision: revision,
  };
}

/** Joins the entries of one task, in any order. */
export function joinTask(
  entries: readonly Entry[],
  readRevision: Revision,
): StoredTask | undefined {
  let spec: SpecRecord | undefined;
  let state: StateRecord | undefined;
  let progress: ProgressRecord | undefined;
  let cancel: CancelRecord | undefined;
  const attempts: AttemptRecord[] = [];
  let specRevision = 0;
  let stateRevision = 0;
  let progressRevision = 0;
  let revision = 0;
  for (const entry of entries) {
    const part = parseTaskKey(entry.key)?.part;
    revision = Math.max(revision, entry.modRevision);
    if (part === "spec") {
      spec = readOr(entry, decodeSpec);
      specRevision = entry.modRevision;
    } else if (part === "cancel") {
      cancel = readOr(entry, decodeCancel);
    } else if (part === "attempt") {
      const attempt = readOr(entry, decodeAttempt);
      if (attempt) attempts.push(attempt);
    } else if (part === "progress") {
      progress = readOr(entry, decodeProgress);
      progressRevision = entry.modRevision;
    } else if (part === "state") {
      state = readOr(entry, decodeState);
      if (state === undefined) return undefined;
      stateRevision = entry.modRevision;
    }
  }
  attempts.sort((a, b) => a.attempt - b.attempt);
  const revisions = { specRevision, stateRevision, progressRevision, revision, readRevision };
  return spec && { spec, state, progress, cancel, attempts, ...revisions };
}

/** Decodes an entry; a malformed one is reported and read as `undefined`. */
export function readOr<T>(entry: Entry, decode: (bytes: Uint8Array) => T): T | undefined {
  try {
    return decode(entry.value);
  } catch (error) {
    if (!(error instanceof RecordMalformedError)) throw error;
    publish("etask:record:malformed", { key: entry.key, reason: error.message });
    return undefined;
  }
}

import { type Guard, keyUnchanged } from "../store/part.ts";
import type { Revision } from "../store/store.ts";
import { type ReadyPosition, taskKey } from "./keyspace.ts";
import type { ReadyRecord, StateRecord } from "./records.ts";

/** One attempt at a task, held by one worker since the revision `fence`. */
export interface Attempt {
  readonly id: string;
  readonly fence: Revision;
  /** The state record that took it. */
  readonly state: StateRecord;
  /** The ready entry that it was taken from. */
  readonly ready: ReadyRecord;
  /** About the size of its spec, in bytes. */
  readonly bytes: number;
  /** Where it waited. */
  readonly position: ReadyPosition;
}

/** Guards every write of an attempt: holds until the task is taken away, given back or ended. */
export function attemptHolds(attempt: Pick<Attempt, "id" | "fence">): Guard {
  return keyUnchanged(taskKey(attempt.id, "state"), attempt.fence);
}

/** The keys of a task's log. They are apart from its others, so that who reads it reads no log. */
import { type KeyRange, prefixRange } from "../store/range.ts";

/** How many entries the log of a task has; they are used in turn, so the newest lines are kept. */
export const LOG_SLOTS = 4;

/** `log/{id}#{slot}`: some lines of a task's log. */
export function logKey(id: string, chunk: number): string {
  return `log/${id}#${chunk % LOG_SLOTS}`;
}

/** The keys of all entries that the log of a task may have. */
export function logKeys(id: string): string[] {
  return Array.from({ length: LOG_SLOTS }, (_, slot) => logKey(id, slot));
}

/** The log of one task. */
export function logRange(id: string): KeyRange {
  return prefixRange(`log/${id}#`);
}

/** Counts what the history of a run holds, so that a verdict says how much was judged. */
import { decodeSpec, decodeState } from "../../src/task/decode.ts";
import { parseTaskKey } from "../../src/task/keyspace.ts";
import { isFinal } from "../../src/task/state.ts";
import type { Recorded } from "../recorder.ts";

/** See above. */
export interface Tally {
  revisions: number;
  events: number;
  created: number;
  /** Tasks that schedules made. */
  ticks: number;
  /** Changes of a state. */
  steps: number;
  takes: number;
  ends: number;
  succeeded: number;
  rescued: number;
  /** Tasks that waited for a time and were made ready. */
  promoted: number;
  /** Reports and pieces of log. */
  reports: number;
  /** Times a unique key was taken. */
  claims: number;
}

/** Counts all of a history. */
export function tallyOf(history: readonly Recorded[]): Tally {
  const tally: Tally = {
    ...{ revisions: history.length, events: 0, created: 0, ticks: 0, steps: 0, takes: 0, ends: 0 },
    ...{ succeeded: 0, rescued: 0, promoted: 0, reports: 0, claims: 0 },
  };
  const lost = new Map<string, number>();
  for (const { events } of history) {
    tally.events += events.length;
    const dueGone = events.some(({ type, key }) => type === "delete" && key.startsWith("due/"));
    for (const event of events) {
      if (event.type === "delete") continue;
      const { key, entry } = event;
      if (key.startsWith("unique/")) tally.claims += 1;
      if (key.startsWith("log/")) tally.reports += 1;
      const parsed = parseTaskKey(key);
      if (parsed?.part === "progress") tally.reports += 1;
      if (parsed?.part === "spec" && entry.version === 1) {
        tally.created += 1;
        if (decodeSpec(entry.value).schedule) tally.ticks += 1;
      }
      if (parsed?.part !== "state") continue;
      const state = decodeState(entry.value);
      tally.steps += 1;
      if (state.state === "running") tally.takes += 1;
      if (state.state === "succeeded") tally.succeeded += 1;
      if (state.state === "pending" && dueGone) tally.promoted += 1;
      if (isFinal(state.state)) tally.ends += 1;
      if ((state.lost ?? 0) > (lost.get(parsed.id) ?? 0)) tally.rescued += 1;
      lost.set(parsed.id, state.lost ?? 0);
    }
  }
  return tally;
}

/**
 * What a watch of the store promises, checked against the recorded history: whole revisions, in
 * order, each change once, none left out, from wherever it was begun.
 */
import { inRange, prefixRange } from "../../src/store/range.ts";
import type { Recorded } from "../recorder.ts";
import type { WatchSession } from "./evidence.ts";

/** What was found of one session; the first word says which promise was broken. */
export type WatchFault = `${"ordered" | "unique" | "atomic" | "reliable"}: ${string}`;

/** Judges what a session was told of the keys under `prefix`. */
export function validateWatch(
  session: WatchSession,
  prefix: string,
  history: readonly Recorded[],
): WatchFault[] {
  const faults: WatchFault[] = [];
  const { after, batches } = session;
  let position = after;
  const seen: string[] = [];
  const known = new Set<string>();
  for (const { revision, events } of batches) {
    for (const event of events) {
      if (event.revision <= after) faults.push(`ordered: ${event.revision} came after ${after}`);
      const text = `${event.revision} ${event.key} ${event.value ?? "(deleted)"}`;
      if (known.has(text)) faults.push(`unique: ${text} came twice`);
      known.add(text);
      seen.push(text);
      if (event.revision > revision) faults.push(`ordered: ${text} came in a batch to ${revision}`);
      // What a batch says has been delivered up to its revision cannot be added to.
      if (event.revision <= position && position > after) {
        faults.push(`atomic: ${text} came when ${position} had been delivered`);
      }
    }
    const revisions = events.map((event) => event.revision);
    if (revisions.some((each, index) => each < (revisions[index - 1] ?? 0))) {
      faults.push(`ordered: a batch holds ${revisions.join(", ")}`);
    }
    if (revision < position) faults.push(`ordered: ${revision} came after ${position}`);
    position = Math.max(position, revision);
  }
  const missed = missing(seen, truth(prefix, after, position, history));
  if (missed !== undefined) faults.push(`reliable: ${missed}`);
  return faults;
}

function truth(
  prefix: string,
  after: number,
  to: number,
  history: readonly Recorded[],
): readonly string[] {
  const range = prefixRange(prefix);
  return history
    .filter(({ revision }) => revision > after && revision <= to)
    .flatMap(({ revision, events }) =>
      events
        .filter(({ key }) => inRange(range, key))
        .map((event) => {
          const value =
            event.type === "put" ? Buffer.from(event.entry.value).toString() : undefined;
          return `${revision} ${event.key} ${value ?? "(deleted)"}`;
        }),
    );
}

/** The first difference between two lists that are equal but for the order within a revision. */
function missing(seen: readonly string[], real: readonly string[]): string | undefined {
  const wanted = new Set(real);
  const extra = seen.find((text) => !wanted.delete(text));
  if (extra !== undefined) return `${extra} never happened`;
  const [left] = wanted;
  return left === undefined ? undefined : `${left} was not delivered`;
}
